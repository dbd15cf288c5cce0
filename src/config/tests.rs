//! Settings: who beats whom, and what is refused.

use super::*;

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let path = dir.path().join("config.toml");
    std::fs::write(&path, file).expect("write the file");
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let shown = path.display().to_string();
    Config::load(Some(&path), owned(env).into_iter(), &owned(flags))
        .map_err(|error| error.to_string().replace(&shown, "FILE"))
}

fn fails(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)], parts: &[&str]) {
    let problem = load(file, env, flags).expect_err("must be refused");
    for part in parts {
        assert!(problem.contains(part), "{problem:?} should contain {part:?}");
    }
}

#[test]
fn the_shipped_file_names_every_key_with_its_default() {
    let text = include_str!("../../config.toml");
    let shipped = load(text, &[], &[]).expect("the shipped file");
    assert_eq!(shipped, load("", &[], &[]).expect("no settings at all"));
    let mut reader =
        Reader::new(Path::new("-"), None, std::iter::empty(), &[]).expect("no sources");
    Config::read(&mut reader).expect("defaults");
    let table: toml::Table = text.parse().expect("toml");
    for key in reader.finish().expect("nothing is unknown") {
        let value = key
            .split('.')
            .try_fold(&toml::Value::Table(table.clone()), |at, part| at.get(part))
            .is_some();
        assert!(value, "config.toml lacks {key}");
    }
}

#[test]
fn flags_beat_environment_beats_file_beats_default() {
    let file = "[server]\nconnections_max = 1\nheader_timeout_ms = 1\nbody_timeout_ms = 1\n";
    let env = [
        ("FANFARE_SERVER_CONNECTIONS_MAX", "2"),
        ("FANFARE_SERVER_HEADER_TIMEOUT_MS", "2"),
        ("PATH", "/bin"),
        ("FANFARE_SECRET_KEY", "not a key of the file"),
        ("FANFARE_APP_PASSWORD", "nor this"),
    ];
    let config = load(file, &env, &[("server.connections_max", "3")]).expect("settings");
    assert_eq!(config.server.connections_max, 3);
    assert_eq!(config.server.header_timeout, Millis(2));
    assert_eq!(config.server.body_timeout, Millis(1));
    assert_eq!(config.server.idle_timeout, Millis(60_000));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    let near = ["unknown key server.listn in FILE", "did you mean server.listen?"];
    fails("[server]\nlistn = \"127.0.0.1:1\"", &[], &[], &near);
    let near = ["FANFARE_SERVER_LISTN in environment", "did you mean FANFARE_SERVER_LISTEN?"];
    fails("", &[("FANFARE_SERVER_LISTN", "127.0.0.1:1")], &[], &near);
    fails("allow_crash = true", &[], &[], &["did you mean sandbox.allow_crash?"]);
    fails("[zebra]\nquux = 1", &[], &[], &["unknown key zebra.quux in FILE"]);
    let far = load("[zebra]\nquux = 1", &[], &[]).expect_err("unknown");
    assert!(!far.contains("did you mean"), "{far}");
}

#[test]
fn a_wrong_value_names_key_value_and_expectation() {
    let parts = ["server.listen = 3000 in FILE", "expected an address with a port"];
    fails("[server]\nlisten = 3000", &[], &[], &parts);
    let parts = ["sandbox.enabled = \"yes\" in FANFARE_SANDBOX_ENABLED", "true or false"];
    fails("", &[("FANFARE_SANDBOX_ENABLED", "yes")], &[], &parts);
    let parts = ["server.connections_max = 0 in flags", "from 1 to 1000000"];
    fails("", &[], &[("server.connections_max", "0")], &parts);
    fails("[engine]\nslots_max = -1", &[], &[], &["engine.slots_max = -1"]);
    fails("[log]\nformat = \"xml\"", &[], &[], &["log.format = \"xml\"", "text or json"]);
    fails("[server]\npublic_url = \"ftp://x\"", &[], &[], &["server.public_url", "http"]);
    let parts = ["sandbox.url = \"http://10.0.0.1:1\" in FILE", "on loopback"];
    fails("[sandbox]\nurl = \"http://10.0.0.1:1\"", &[], &[], &parts);
    fails("[sandbox]\nurl = \"https://127.0.0.1:1\"", &[], &[], &["sandbox.url"]);
    fails("server = 1", &[], &[], &["unknown key server in FILE"]);
    fails("[server", &[], &[], &["read settings: FILE"]);
}

#[test]
fn only_a_named_file_must_exist() {
    let missing = Path::new("/nonexistent/config.toml");
    let error = Config::load(Some(missing), std::iter::empty(), &[]).expect_err("named");
    assert!(error.to_string().contains("/nonexistent/config.toml"), "{error}");
}

#[test]
fn the_sandbox_may_be_another_process_on_loopback() {
    assert_eq!(load("", &[], &[]).expect("settings").sandbox.elsewhere, None);
    let file = "[sandbox]\nurl = \"http://[::1]:4000/\"\ntoken = \"5317\"";
    let elsewhere = load(file, &[], &[]).expect("settings").sandbox.elsewhere.expect("it is set");
    assert_eq!(elsewhere.url, "http://[::1]:4000");
    assert_eq!(elsewhere.token.expose(), "5317");
    assert!(!format!("{elsewhere:?}").contains("5317"));
}
