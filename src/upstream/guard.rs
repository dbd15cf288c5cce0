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
const V6: [(Ipv6Addr, u32); 12] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    // What is left of IPv4-compatible addresses, and local NAT64, whose layout is the operator's.
    (Ipv6Addr::UNSPECIFIED, 96),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x0100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 9),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Addresses that clouds answer on with credentials of the machine.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
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
        IpAddr::V6(v6) => (METADATA_V6.contains(&v6), V6.iter().any(|range| within6(v6, *range))),
    };
    match (metadata, private) {
        (true, _) => Err(Refused::Metadata),
        (false, true) if !allow_private => Err(Refused::Private),
        _ => Ok(()),
    }
}

fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let low = |a: u16, b: u16| {
        let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        // Mapped, translated and compatible forms; NAT64; 6to4.
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0, 0, 0, 0, 0xffff, 0, a, b] => Some(low(a, b)),
        [0, 0, 0, 0, 0, 0, a, b] if a != 0 => Some(low(a, b)),
        [0x64, 0xff9b, 0, _, _, _, a, b] => Some(low(a, b)),
        [0x2002, a, b, ..] => Some(low(a, b)),
        _ => None,
    }
}

fn within4(address: Ipv4Addr, (net, bits): (Ipv4Addr, u32)) -> bool {
    let shift = 32 - bits;
    u64::from(u32::from(address)) >> shift == u64::from(u32::from(net)) >> shift
}

fn within6(address: Ipv6Addr, (net, bits): (Ipv6Addr, u32)) -> bool {
    let shift = 128 - bits;
    u128::from(address) >> shift == u128::from(net) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, closed: Result<(), Refused>, open: Result<(), Refused>) {
        let address: IpAddr = address.parse().expect("an address");
        assert_eq!(guard(address, false), closed, "{address}");
        assert_eq!(guard(address, true), open, "{address} with private ones allowed");
    }

    #[test]
    fn every_form_of_a_private_address_is_known() {
        let addresses = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 \
            127.255.255.254 169.254.1.1 172.16.0.1 172.31.255.255 192.0.0.1 \
            192.0.2.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 \
            203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 fc00::1 fdff::1 \
            fe80::1 fec0::1 ff02::1 2001:db8::1 2001::1 100::1 ::ffff:127.0.0.1 \
            ::ffff:10.0.0.1 ::ffff:0:192.168.1.1 ::7f00:1 64:ff9b::10.0.0.1 \
            64:ff9b:1::a00:1 64:ff9b:1:7f00:0:100:808:808 ::2 3fff::1 5f00::1 \
            2002:7f00:1:: 2002:c0a8:101::1";
        for address in addresses.split_whitespace() {
            check(address, Err(Refused::Private), Ok(()));
        }
        let addresses = "168.63.129.16 100.100.100.200 \
            169.254.169.254 169.254.170.2 fd00:ec2::254 ::ffff:169.254.169.254 \
            64:ff9b::169.254.169.254 2002:a9fe:a9fe::";
        for address in addresses.split_whitespace() {
            check(address, Err(Refused::Metadata), Err(Refused::Metadata));
        }
        let addresses = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 128.0.0.1 \
            172.15.255.255 172.32.0.0 192.167.255.255 198.17.255.255 198.20.0.0 \
            223.255.255.255 2606:4700::1111 2a00::1 ::ffff:1.1.1.1 \
            64:ff9b::1.1.1.1 2002:101:101::1";
        for address in addresses.split_whitespace() {
            check(address, Ok(()), Ok(()));
        }
    }
}
