//! Debian's Chromium, driven through its driver: a small WebDriver client.
//!
//! Knows no page. A browser has a profile and fonts of its own in a folder that goes with it; it and
//! its driver are ended by their process numbers. Nothing here leaves 127.0.0.1.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

/// One browser at a time in a process: two of them are slower than one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// The only fonts that pages are shown in, so that boxes are the same on every machine.
const FONTS: &str = "<?xml version=\"1.0\"?><!DOCTYPE fontconfig SYSTEM \"fonts.dtd\"><fontconfig>\
    <dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>CACHE</cachedir>\
    <match><edit name=\"family\" mode=\"append_last\"><string>DejaVu Sans</string></edit></match>\
    <alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>\
    <alias><family>ui-monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>\
    <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias></fontconfig>";

/// What names an element in an answer of the driver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long something that a page does by itself may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The keys that have no character.
pub mod key {
    pub const TAB: &str = "\u{e004}";
    pub const ENTER: &str = "\u{e007}";
    pub const SHIFT: &str = "\u{e008}";
    pub const ESCAPE: &str = "\u{e00c}";
    pub const BACKSPACE: &str = "\u{e003}";
    pub const CONTROL: &str = "\u{e009}";
    pub const RIGHT: &str = "\u{e014}";
    pub const LEFT: &str = "\u{e012}";
    pub const HOME: &str = "\u{e011}";
}

/// A browser with one window.
pub struct Browser {
    driver: Child,
    process: Option<Pid>,
    agent: ureq::Agent,
    session: String,
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts one, 1280 wide and light, its clock in the zone.
    pub fn start(zone: &str) -> Browser {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let fonts = home.join("fonts.conf");
        std::fs::write(&fonts, FONTS.replace("CACHE", home.join("fonts").to_str().unwrap()))
            .unwrap();
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("FONTCONFIG_FILE", &fonts)
            .env("TZ", zone)
            .env("LANG", "C.UTF-8")
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = lines
            .find_map(|line| {
                let line = line.unwrap();
                line.strip_suffix('.')?.rsplit_once("successfully on port ")?.1.parse().ok()
            })
            .expect("the driver names its port");
        std::thread::spawn(move || lines.for_each(drop));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(300)))
            .build();
        let mut browser = Browser {
            driver,
            process: None,
            agent: config.into(),
            session: format!("http://127.0.0.1:{port}/session"),
            folder,
            _turn: turn,
        };
        let made = browser.post("", &wishes(browser.folder.path()));
        let pid = made["capabilities"]["goog:processID"].as_i64();
        browser.process = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        browser.cdp("Emulation.setTimezoneOverride", json!({ "timezoneId": zone }));
        let folder = browser.folder().to_owned();
        browser.cdp(
            "Browser.setDownloadBehavior",
            json!({ "behavior": "allow", "downloadPath": folder }),
        );
        browser.look(1280, "light");
        // What the browser did before there was a page.
        drop((browser.complaints(), browser.requests()));
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.try_post(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    fn try_post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self
            .agent
            .post(format!("{}{path}", self.session))
            .content_type("application/json")
            .send(body.to_string());
        value_of(answer)
    }

    fn get(&self, path: &str) -> Value {
        value_of(self.agent.get(format!("{}{path}", self.session)).call()).unwrap()
    }

    /// A folder of the browser: for what it saves.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command of Chromium's own protocol.
    pub fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Shows pages in a width and a theme.
    pub fn look(&self, width: u32, theme: &str) {
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
        );
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Cuts the network, or gives it back.
    pub fn offline(&self, is: bool) {
        self.cdp(
            "Network.emulateNetworkConditions",
            json!({ "offline": is, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 }),
        );
    }

    /// Goes to an address.
    pub fn go(&self, address: &str) {
        self.post("/url", &json!({ "url": address }));
    }

    /// Goes back.
    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// The address of the page.
    pub fn address(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// Forgets who is signed in, and what was chosen.
    pub fn forget(&self) {
        self.cdp("Network.clearBrowserCookies", json!({}));
    }

    /// The value of a script, whose last statement returns.
    pub fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The value of a promise that a script returns.
    pub fn promise(&self, script: &str) -> Value {
        self.script(&format!("return (async () => {{ {script} }})()"))
    }

    fn find(&self, css: &str) -> Result<String, String> {
        let found = self.try_post("/element", &json!({ "using": "css selector", "value": css }))?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        self.find(css).unwrap_or_else(|e| panic!("{css} at {}: {e}", self.address()))
    }

    /// Whether an element is there.
    pub fn has(&self, css: &str) -> bool {
        self.find(css).is_ok()
    }

    /// What is seen of an element's text.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let element = self.element(css);
        self.get(&format!("/element/{element}/text")).as_str().unwrap().to_owned()
    }

    /// The texts of all elements, their white space made one.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let found = self.script(&format!(
            "return [...document.querySelectorAll({})].map((e) => e.innerText.replace(/\\s+/g, ' ').trim())",
            json!(css)
        ));
        found.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    }

    /// An attribute; empty where there is none.
    #[track_caller]
    pub fn attribute(&self, css: &str, name: &str) -> String {
        let element = self.element(css);
        let value = self.get(&format!("/element/{element}/attribute/{name}"));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Role and name as assistive technology is told.
    #[track_caller]
    pub fn told(&self, css: &str) -> (String, String) {
        let element = self.element(css);
        let ask = |what: &str| self.get(&format!("/element/{element}/computed{what}"));
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        (text(ask("role")), text(ask("label")))
    }

    /// Clicks as a hand does: on what is seen there.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.click_found(css, &format!("return document.querySelector({})", json!(css)));
    }

    /// Clicks the link, the button or the label of that text; in the dialog, where one is open.
    #[track_caller]
    pub fn press(&self, text: &str) {
        let find = format!(
            "const box = document.querySelector('dialog:modal') || document;
             return [...box.querySelectorAll('a, button, label')].find((e) => e.checkVisibility() && e.innerText.replace(/\\s+/g, ' ').trim() === {})",
            json!(text)
        );
        self.click_found(text, &find);
    }

    /// Clicks what a script finds; again where the page has just replaced it by what it read.
    #[track_caller]
    fn click_found(&self, what: &str, find: &str) {
        let mut error = String::new();
        for _ in 0..20 {
            let found = self.script(find);
            let clicked = match found[ELEMENT].as_str() {
                Some(element) => self.try_post(&format!("/element/{element}/click"), &json!({})),
                None => Err("it is not there".to_owned()),
            };
            match clicked {
                Ok(_) => return,
                Err(why) => error = why,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{what} at {}: {error}", self.address());
    }

    /// Clicks where an element is, whatever lies over it there.
    #[track_caller]
    pub fn click_at(&self, css: &str) {
        let origin = json!({ ELEMENT: self.element(css) });
        let actions = json!([
            { "type": "pointerMove", "origin": origin, "x": 0, "y": 0 },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ]);
        let source = json!({ "type": "pointer", "id": "mouse", "actions": actions });
        self.post("/actions", &json!({ "actions": [source] }));
    }

    /// Types into an element, instead of what stood there.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.element(css);
        // As a hand does: all of it is selected, and typed over.
        let typed = if text.is_empty() { key::BACKSPACE } else { text };
        let keys = format!("{}a{}{typed}", key::CONTROL, key::CONTROL);
        self.post(&format!("/element/{element}/value"), &json!({ "text": keys }));
    }

    /// Chooses an option by its words.
    #[track_caller]
    pub fn choose(&self, css: &str, option: &str) {
        let found = self.script(&format!(
            "const s = document.querySelector({}); const o = [...s.options].find((o) => o.text === {});
             if (!o) return false; s.value = o.value; s.dispatchEvent(new Event('change', {{ bubbles: true }})); return true",
            json!(css),
            json!(option)
        ));
        assert_eq!(found, json!(true), "{css} offers no {option}");
    }

    /// Types on the keyboard, wherever the focus is.
    pub fn keys(&self, keys: &[&str]) {
        let mut actions = Vec::new();
        for text in keys {
            for c in text.chars() {
                actions.push(json!({ "type": "keyDown", "value": c }));
                actions.push(json!({ "type": "keyUp", "value": c }));
            }
        }
        let source = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [source] }));
    }

    /// Presses Tab until the element that a script finds has the focus.
    #[track_caller]
    pub fn tab_to(&self, css: &str) {
        let here = format!("return !!document.activeElement?.matches({})", json!(css));
        for _ in 0..80 {
            self.keys(&[key::TAB]);
            if self.script(&here) == json!(true) {
                return;
            }
        }
        panic!("no Tab leads to {css} at {}", self.address());
    }

    /// Waits until a script returns true.
    #[track_caller]
    pub fn until(&self, script: &str) {
        let end = Instant::now() + PATIENCE;
        // While a page is being left, no script runs.
        let asked = |s: &str| self.try_post("/execute/sync", &json!({ "script": s, "args": [] }));
        while asked(script) != Ok(json!(true)) {
            assert!(Instant::now() < end, "waited in vain at {}: {script}", self.address());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an element's text is this.
    #[track_caller]
    pub fn until_text(&self, css: &str, text: &str) {
        let (css, text) = (json!(css), json!(text));
        self.until(&format!(
            "return document.querySelector({css})?.innerText.replace(/\\s+/g, ' ').trim() === {text}"
        ));
    }

    /// A picture of the whole page, as PNG in base 64.
    pub fn picture(&self) -> String {
        let made = self.cdp(
            "Page.captureScreenshot",
            json!({ "captureBeyondViewport": true, "format": "png" }),
        );
        made["data"].as_str().unwrap().to_owned()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.post("/se/log", &json!({ "type": kind })).as_array().unwrap().clone()
    }

    /// What the console complained of since it was asked last.
    pub fn complaints(&self) -> Vec<String> {
        let said = self.log("browser");
        said.iter().map(|e| e["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The addresses that were asked for since it was asked last.
    pub fn requests(&self) -> Vec<String> {
        let event = |entry: &Value| -> Option<String> {
            let text: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &text["message"];
            let sent = message["method"] == "Network.requestWillBeSent";
            sent.then(|| message["params"]["request"]["url"].as_str().unwrap().to_owned())
        };
        self.log("performance").iter().filter_map(event).collect()
    }
}

fn wishes(folder: &Path) -> Value {
    let mut arguments = vec![
        format!("--user-data-dir={}", folder.join("profile").display()),
        "--headless=new".to_owned(),
        "--window-size=1280,900".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        "--no-pings".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--lang=pt-BR".to_owned(),
        "--force-color-profile=srgb".to_owned(),
        // Whatever a page or the browser may want of another host is not found.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".to_owned(),
        "about:blank".to_owned(),
    ];
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox".to_owned());
    }
    let options = json!({ "args": arguments });
    let logs = json!({ "browser": "ALL", "performance": "ALL" });
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs,
        "timeouts": { "pageLoad": 30000, "script": 20000 }, "unhandledPromptBehavior": "accept",
    } } })
}

fn value_of(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value, String> {
    let mut answer = answer.map_err(|e| e.to_string())?;
    let text = answer.body_mut().with_config().limit(1 << 28).read_to_string().unwrap();
    let value: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
    let value = value["value"].clone();
    match value.get("error") {
        Some(error) if !answer.status().is_success() => {
            Err(format!("{error}: {}", value["message"]))
        }
        _ => Ok(value),
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        drop(self.agent.delete(&self.session).call());
        if let Some(pid) = self.process {
            let group = kill_process_group(pid, Signal::KILL);
            group.or_else(|_| kill_process(pid, Signal::KILL)).ok();
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
