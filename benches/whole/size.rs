//! Bytes on disk against bytes that live: after inserts, three updates of each post, and the
//! deletion of half.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::args::Args;
use crate::disk::folder_bytes;
use crate::figures::{f, mb};
use crate::rig;
use crate::seed::{self, Inside, first_post, raw_rows};

/// The section.
pub fn run(args: &Args) {
    let posts: u64 = args.pick(100_000, 1_000_000);
    println!("{posts} posts\n");
    println!("{:<24} {:>9} {:>9} {:>9} {:>6}", "after", "rows", "live MB", "disk MB", "ratio");
    let folder = rig::scratch();
    let data = folder.path().join("data");
    seed::prepare(args, &data);
    let made: Arc<[String]> = stage(&data, "inserts", posts, |inside, account, n| async move {
        first_post(&inside.create(None, &rig::post(n, &[account], Some(rig::far()))).await)
    })
    .into();
    for round in 1..=3_u64 {
        let made = Arc::clone(&made);
        stage(&data, &format!("update {round} of each"), posts, move |inside, _, n| {
            let post = made[usize::try_from(n).expect("few")].clone();
            async move {
                let at = rig::timestamp(rig::far() + Duration::from_secs(round * 3_600));
                let body = json!({ "scheduledAt": at.to_string() }).to_string();
                let served = inside.patch(&post, &body).await;
                assert_eq!(served.reply.status, 200);
            }
        });
    }
    stage(&data, "deletion of half", posts / 2, move |inside, _, n| {
        let post = made[usize::try_from(n * 2).expect("few")].clone();
        async move { assert_eq!(inside.cancel(&post).await.reply.status, 200) }
    });
}

fn stage<W, F, T>(data: &Path, name: &str, count: u64, work: W) -> Vec<T>
where
    W: Fn(Arc<Inside>, String, u64) -> F + Clone + Send + 'static,
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let runtime = seed::runtime();
    let inside = Arc::new(Inside::open(&runtime, data));
    let mut done = inside.spread(&runtime, count, move |inside, account, n| {
        let doing = work(inside, account, n);
        async move { (n, doing.await) }
    });
    Arc::into_inner(inside).expect("nobody else has it").close(&runtime);
    done.sort_by_key(|(n, _)| *n);
    let (disk, live) = (folder_bytes(&data.join("store")), raw_rows(data, usize::MAX));
    println!(
        "{name:<24} {:>9} {:>9.1} {:>9.1} {:>6.2}",
        live.rows,
        mb(live.bytes),
        mb(disk),
        f(disk) / f(live.bytes)
    );
    done.into_iter().map(|(_, one)| one).collect()
}
