//! A frozen catalog: today's vex goes on with it.

use std::fs;

use crate::format::frozen::shell;
use crate::format::frozen::thaw::{Frozen, answers, same};

/// Of all jobs of the catalog, the one whose store is here.
const JOB: &str = "timezone \"America/Porto_Velho\"\nsources { sqlite \"app\" path=\"app.db\" }\n\
                   stores { dir \"nas\" path=\"store\" { keep last=9 } }\n\
                   job \"good\" { dump \"app\" { send \"nas\"; verify \"nas\" } }\n";

#[test]
fn an_old_catalog_is_gone_on_with_and_its_history_stays() {
    let mut frozen = Frozen::thaw("catalog");
    frozen.space = frozen.space.job(JOB);
    let (space, path) = (&frozen.space, frozen.space.state("catalog.sqlite"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(space.path("catalog.sqlite"), &path).unwrap();
    let history = || same(&answers(shell(&path), &frozen, "ask.sql"), &frozen, "rows.txt");
    space.run(&["catalog", "rebuild", "job.kdl"]).expect(0);
    history();
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space.back_up();
    history();
    let new = "SELECT count(*) FROM backup_log WHERE id > 12 AND status_backup = 1";
    assert_eq!(space.catalog::<u32>(new), 1);
    assert_eq!(space.list().len(), 2);
}
