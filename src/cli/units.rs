//! The text of the units of each scheduler. Pure: what is wanted goes in, text comes out.
//!
//! Does not know when a job runs; `job/calendar.rs` says a schedule in the words of an engine.
//! Sources: crontab(5), systemd.unit(5) and systemd.timer(5), `batch/v1` of Kubernetes, the job
//! specification of Nomad.

use std::path::Path;

use crate::cli::args::Engine;
use crate::job::{Schedule, Unsaid};

/// A file of a unit.
#[derive(Debug)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What a unit is made of.
pub struct Wanted<'a> {
    /// The job file, its whole path.
    pub file: &'a str,
    /// The job.
    pub job: &'a str,
    /// The zone of its schedule, if it has one of its own.
    pub zone: Option<&'a str>,
    /// Where vex is.
    pub program: &'a Path,
    /// The image of a cluster.
    pub image: &'a str,
    /// Lines for those who read it.
    pub notes: &'a [String],
    /// The schedule.
    pub schedule: &'a Schedule,
}

impl Wanted<'_> {
    /// The units of one job.
    pub fn units(&self, engine: Engine) -> Result<Vec<Unit>, Unsaid> {
        match engine {
            Engine::Cron => Ok(vec![self.cron()?]),
            Engine::Systemd => self.systemd(),
            Engine::Kubernetes => Ok(vec![self.kubernetes()?]),
            Engine::Nomad => Ok(vec![self.nomad()?]),
        }
    }

    /// A name that every engine takes: small letters, digits and dashes.
    fn name(&self) -> String {
        let stem = Path::new(self.file).file_stem().map_or("", |s| s.to_str().unwrap_or(""));
        let both =
            if stem == self.job { self.job.to_owned() } else { format!("{stem}-{}", self.job) };
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let words: String = both.chars().map(plain).collect();
        let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
        format!("vex-{}", words.join("-"))
    }

    fn notes(&self, sign: &str) -> String {
        self.notes.iter().map(|note| format!("{sign} {note}\n")).collect()
    }

    /// Lines of a crontab. `%` is a line end there.
    fn cron(&self) -> Result<Unit, Unsaid> {
        let fields = self.schedule.plain_fields()?;
        let mut text = format!("# {}, job {}\n{}", self.file, self.job, self.notes("#"));
        if let Some(zone) = self.zone {
            text += &format!(
                "# CRON_TZ is read by cronie (Red Hat, Arch, SUSE); Debian's cron takes the zone of the machine.\n\
                 CRON_TZ={zone}\n"
            );
        }
        let words = [
            &self.program.display().to_string(),
            "run",
            "--quiet",
            "--scheduled",
            self.file,
            self.job,
        ];
        let command = words.map(shell).join(" ").replace('%', "\\%");
        text += &format!("{fields} {command}\n");
        Ok(Unit { name: format!("{}.cron", self.name()), text })
    }

    fn systemd(&self) -> Result<Vec<Unit>, Unsaid> {
        let name = self.name();
        let moments: String = self
            .schedule
            .on_calendar(self.zone)?
            .iter()
            .map(|moment| format!("OnCalendar={moment}\n"))
            .collect();
        let words =
            [&self.program.display().to_string(), "run", "--scheduled", self.file, self.job];
        let command = words.map(unit_word).join(" ");
        let service = format!(
            "# /etc/systemd/system/{name}.service\n[Unit]\nDescription=vex backup: job {job} of {file}\n\
             Wants=network-online.target\nAfter=network-online.target\n\n[Service]\nType=exec\n\
             ExecStart={command}\nTimeoutStopSec=10min\nStateDirectory=vex\nStateDirectoryMode=0700\n\
             Environment=XDG_STATE_HOME=%S\nUMask=0077\nNoNewPrivileges=yes\nPrivateTmp=yes\nProtectKernelModules=yes\n\
             ProtectKernelTunables=yes\nProtectControlGroups=yes\nRestrictSUIDSGID=yes\nLockPersonality=yes\n",
            job = percent(self.job),
            file = percent(self.file),
        );
        let timer = format!(
            "# /etc/systemd/system/{name}.timer: systemctl enable --now {name}.timer\n{}[Unit]\n\
             Description=vex backup: job {}\n\n[Timer]\n{moments}Persistent=true\nAccuracySec=1s\n\n[Install]\n\
             WantedBy=timers.target\n",
            self.notes("#"),
            percent(self.job),
        );
        Ok(vec![
            Unit { name: format!("{name}.service"), text: service },
            Unit { name: format!("{name}.timer"), text: timer },
        ])
    }

    fn kubernetes(&self) -> Result<Unit, Unsaid> {
        let fields = self.schedule.plain_fields()?;
        let name = self.name();
        let zone =
            self.zone.map_or(String::new(), |zone| format!("  timeZone: {}\n", quoted(zone)));
        let args = ["run", "--scheduled", self.file, self.job].map(quoted).join(", ");
        let folder = Path::new(self.file).parent().map_or("/".into(), |p| p.display().to_string());
        let text = format!(
            "---\n# {file}, job {job}: the job files are in the ConfigMap vex-jobs, its secrets in the Secret vex-secrets.\n\
             {notes}apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: {name}\nspec:\n  schedule: {fields}\n{zone}  \
             concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 3600\n  jobTemplate:\n    spec:\n      backoffLimit: 0\n      \
             template:\n        spec:\n          restartPolicy: Never\n          containers:\n            - name: vex\n              \
             image: {image}\n              args: [{args}]\n              envFrom:\n                - secretRef:\n                    \
             name: vex-secrets\n              volumeMounts:\n                - name: jobs\n                  mountPath: {folder}\n                  \
             readOnly: true\n          volumes:\n            - name: jobs\n              configMap:\n                name: vex-jobs\n",
            file = self.file,
            job = self.job,
            notes = self.notes("#"),
            name = quoted(&name),
            fields = quoted(fields),
            image = quoted(self.image),
            folder = quoted(&folder),
        );
        Ok(Unit { name: format!("{name}.yaml"), text })
    }

    fn nomad(&self) -> Result<Unit, Unsaid> {
        let fields = self.schedule.plain_fields()?;
        let name = self.name();
        let zone = self
            .zone
            .map_or(String::new(), |zone| format!("    time_zone        = {}\n", literal(zone)));
        let args = ["run", "--scheduled", self.file, self.job].map(literal).join(", ");
        let text = format!(
            "# {file}, job {job}\n{notes}job {name} {{\n  type = \"batch\"\n  periodic {{\n    crons            = [{fields}]\n    \
             prohibit_overlap = true\n{zone}  }}\n  group \"vex\" {{\n    restart {{\n      attempts = 0\n      mode     = \"fail\"\n    \
             }}\n    reschedule {{\n      attempts  = 0\n      unlimited = false\n    }}\n    task \"run\" {{\n      driver = \"exec\"\n      \
             config {{\n        command = {program}\n        args    = [{args}]\n      }}\n    }}\n  }}\n}}\n",
            file = self.file,
            job = self.job,
            notes = self.notes("#"),
            name = literal(&name),
            fields = literal(fields),
            program = literal(&self.program.display().to_string()),
        );
        Ok(Unit { name: format!("{name}.nomad.hcl"), text })
    }
}

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+:,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// A word of `ExecStart=`: quoted, with `%` and `$` doubled.
fn unit_word(word: &str) -> String {
    let escaped = percent(word).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+:,%$".contains(c);
    match escaped.chars().all(plain) {
        true => escaped,
        false => format!("\"{escaped}\""),
    }
}

/// A text where `%` begins a specifier of systemd.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// A string of YAML: JSON's form is one.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("BUG: a string that is not JSON")
}

/// A string of HCL, where `${` and `%{` begin a template.
fn literal(text: &str) -> String {
    quoted(text).replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_whom_they_are_meant() {
        assert_eq!(shell("/srv/my job's.kdl"), "'/srv/my job'\\''s.kdl'");
        assert_eq!(unit_word("100% $x \"q\""), "\"100%% $$x \\\"q\\\"\"");
        assert_eq!(literal("a ${b} \"c\""), "\"a $${b} \\\"c\\\"\"");
    }
}
