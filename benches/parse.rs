//! Seconds to read a job file: one of three jobs, and one of a hundred.
//!
//! `cargo bench --bench parse`. `vex check` in CI must feel like nothing.

use vex::testing::base::Text;

fn main() {
    divan::main();
}

fn file(jobs: usize) -> String {
    let mut text = String::from("sources {\n");
    for i in 0..jobs {
        text += &format!(
            "  mysql \"db{i}\" host=\"db{i}.internal\" {{ databases \"a_*\"; exclude \"a_*.log\" }}\n"
        );
    }
    text += "}\nstores {\n  dir \"nas\" path=\"/mnt/nas\" { keep daily=7 weekly=4 }\n}\n";
    for i in 0..jobs {
        text += &format!(
            "job \"nightly{i}\" schedule=\"0 1 * * *\" timezone=\"America/Porto_Velho\" {{\n  dump \"db{i}\" {{ send \
             \"nas\"; verify \"nas\" }}\n}}\n"
        );
    }
    text
}

#[divan::bench(args = [3, 100])]
fn read_and_plan(bencher: divan::Bencher<'_, '_>, jobs: usize) {
    let source = file(jobs);
    bencher.bench(|| {
        let mut reading = vex::testing::syntax::read_one(&Text::new("bench.kdl", source.clone()));
        let plans =
            vex::testing::plan::build(&reading.file, &reading.unusable, &mut reading.complaints);
        assert!(reading.complaints.is_empty() && plans.len() == jobs);
        plans.len()
    });
}
