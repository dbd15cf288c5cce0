//! The workflow definitions a server starts with: built in, overridden, and pinned by older posts.

use std::path::Path;
use std::sync::Arc;

use super::AppError;
use crate::model::{BatchId, Digest, Timestamp};
use crate::platforms::Registry;
use crate::store::{DefinitionRecord, Key, Order, Record, Store, Write, load_batch};
use crate::workflow::{self, Loaded, Named, Overrides};

/// Records of one page.
const PAGE: usize = 1_000;

/// Loads every definition, keeps the texts of the current ones if this is a process life, and
/// refuses to start when a post that is not settled pins one that this program can no longer carry
/// out.
pub(super) fn load(
    store: &Arc<dyn Store>,
    epoch: Option<u64>,
    folder: Option<&Path>,
    registry: &Registry,
) -> Result<Loaded, AppError> {
    let overrides = Overrides {
        publish: overrides(folder, "publish")?,
        upkeep: overrides(folder, "upkeep")?,
        deliver: overrides(folder, "deliver")?,
    };
    let mut loaded = workflow::load(&overrides).map_err(wrong)?;
    let mut writes = Vec::new();
    for (definition, text) in &loaded.texts {
        if let Some(codec) = registry.get(&definition.platform) {
            workflow::check_steps(definition, codec.steps()).map_err(wrong)?;
        }
        let key = Key::Definition(definition.digest);
        if store.get(&key)?.is_none() {
            let record = DefinitionRecord { name: definition.name.clone(), text: text.clone() };
            writes.push(Write::Put(key, Record::Definition(record)));
        }
    }
    if let Some(epoch) = epoch.filter(|_| !writes.is_empty()) {
        store.commit(epoch, &writes)?;
        store.flush()?;
    }
    adopt_older(store, registry, &mut loaded)?;
    Ok(loaded)
}

fn wrong(problem: workflow::WorkflowError) -> AppError {
    AppError::Workflow(problem.to_string())
}

fn overrides(folder: Option<&Path>, kind: &str) -> Result<Vec<Named>, AppError> {
    let Some(folder) = folder.map(|folder| folder.join(kind)) else { return Ok(Vec::new()) };
    let failed = super::file("read", &folder);
    let mut out = Vec::new();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(out),
        Err(problem) => return Err(failed(problem)),
    };
    for entry in entries {
        let path = entry.map_err(&failed)?.path();
        if path.extension().is_some_and(|ending| ending == "toml")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            let text = std::fs::read_to_string(&path).map_err(super::file("read", &path))?;
            out.push((name.to_owned(), text));
        }
    }
    out.sort();
    Ok(out)
}

fn adopt_older(
    store: &Arc<dyn Store>,
    registry: &Registry,
    loaded: &mut Loaded,
) -> Result<(), AppError> {
    let (from, to) = (Key::Definition(Digest([0; 32])), Key::Definition(Digest([255; 32])));
    let mut broken: Vec<(Digest, String)> = Vec::new();
    for (key, record) in store.scan(&from, &to, Order::Ascending, usize::MAX)? {
        let (Key::Definition(digest), Record::Definition(record)) = (key, record) else { continue };
        if loaded.catalog.get(&digest).is_some() {
            continue;
        }
        let parsed = workflow::parse(&record.name, &record.text);
        let sound = parsed.and_then(|definition| match registry.get(&definition.platform) {
            Some(codec) => workflow::check_steps(&definition, codec.steps()).map(|()| definition),
            None => Ok(definition),
        });
        match sound {
            Ok(definition) => loaded.catalog.add_pinned(definition),
            Err(problem) => broken.push((digest, problem.to_string())),
        }
    }
    if broken.is_empty() { Ok(()) } else { nobody_needs(store, &broken) }
}

/// Definitions that no longer hold are no harm unless an unsettled post pins one.
fn nobody_needs(store: &Arc<dyn Store>, broken: &[(Digest, String)]) -> Result<(), AppError> {
    let mut from = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
    loop {
        let page = store.scan(&from, &Key::LAST_TIMER, Order::Ascending, PAGE)?;
        for (key, _) in &page {
            let Key::Timer(at, id) = key else { continue };
            from = Key::timer_after(*at, *id);
            let Some(batch) = load_batch(store.as_ref(), *id)? else { continue };
            for target in &batch.targets {
                let pins = broken.iter().find(|(digest, _)| *digest == target.definition);
                if let Some((_, problem)) = pins
                    && !target.cursor.is_settled()
                {
                    return Err(AppError::Workflow(format!(
                        "{} waits under a definition that this program cannot carry out: \
                         {problem}; finish or cancel it with the program that accepted it",
                        target.post
                    )));
                }
            }
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}
