//! Which addresses may be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address may not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It belongs to a private, loopback, link-local or otherwise special range; a setting can
    /// allow it.
    Private,
    /// It is a cloud's metadata service; nothing allows it.
    Metadata,
}

/// Special-purpose ranges of IPv4 (IANA registry).
const V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(255, 255, 255, 255), 32),
];

/// Special-purpose ranges of IPv6 (IANA registry), those that hold an IPv4 address aside.
const V6: [(Ipv6Addr, u32); 13] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    // What is left of IPv4-compatible addresses, and local NAT64, whose layout is the operator's.
    (Ipv6Addr::UNSPECIFIED, 96),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x0100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x0100, 0, 0, 1, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 9),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Addresses that clouds answer on with credentials of the machine.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// Whether an address may be reached; `allow_private` opens all but metadata services.
///
/// # Errors
/// See `Refused`.
pub fn guard(address: IpAddr, allow_private: bool) -> Result<(), Refused> {
    let address = match address {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        // An IPv4 address in the coat of an IPv6 one is judged as what it reaches.
        IpAddr::V6(v6) => embedded(v6).map_or(IpAddr::V6(v6), IpAddr::V4),
    };
    let (metadata, private) = match address {
        IpAddr::V4(v4) => (METADATA_V4.contains(&v4), V4.iter().any(|range| within4(v4, *range))),
        IpAddr::V6(v6) => {
            let metadata = METADATA_V6.contains(&v6)
                || perhaps_embedded(v6).iter().flatten().any(|v4| METADATA_V4.contains(v4));
            (metadata, V6.iter().any(|range| within6(v6, *range)))
        }
    };
    match (metadata, private) {
        (true, _) => Err(Refused::Metadata),
        (false, true) if !allow_private => Err(Refused::Private),
        _ => Ok(()),
    }
}

fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        // Mapped, translated and compatible forms; NAT64; 6to4.
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0, 0, 0, 0, 0xffff, 0, a, b] => Some(joined(a, b)),
        [0, 0, 0, 0, 0, 0, a, b] if a != 0 => Some(joined(a, b)),
        [0x64, 0xff9b, 0, _, _, _, a, b] => Some(joined(a, b)),
        [0x2002, a, b, ..] => Some(joined(a, b)),
        _ => None,
    }
}

/// What a private address may stand for, where only the network's owner knows: local NAT64 in each
/// layout that its prefix leaves room for (RFC 6052), and Teredo.
fn perhaps_embedded(v6: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let octets = v6.octets();
    let four = |at: [usize; 4]| Some(Ipv4Addr::from(at.map(|place| octets[place])));
    match v6.segments() {
        // The ninth octet is skipped by the layouts that would cross it.
        [0x64, 0xff9b, 1, ..] => [
            four([6, 7, 9, 10]),
            four([7, 9, 10, 11]),
            four([9, 10, 11, 12]),
            four([12, 13, 14, 15]),
        ],
        [0x2001, 0, .., a, b] => [Some(joined(!a, !b)), None, None, None],
        _ => [None; 4],
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

fn within4(address: Ipv4Addr, (net, bits): (Ipv4Addr, u32)) -> bool {
    let shift = 32 - bits;
    u64::from(u32::from(address)) >> shift == u64::from(u32::from(net)) >> shift
}

fn within6(address: Ipv6Addr, (net, bits): (Ipv6Addr, u32)) -> bool {
    let shift = 128 - bits;
    u128::from(address) >> shift == u128::from(net) >> shift
}
