//! `README.txt` and `LEIA-ME.txt` of a container: the exact commands that bring this archive back
//! without vex.
//!
//! Pure. Nothing of the content is told, no name of a database either.

use std::collections::BTreeSet;

use crate::artifact::age::AGE;
use crate::artifact::container::Method;
use crate::artifact::member::{Kind, Member};

/// The names of both.
const NAMES: [&str; 2] = ["README.txt", "LEIA-ME.txt"];

/// Whether an entry is one of both.
pub fn is_readme(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Name and text of both, English first.
pub fn readme(
    name: &str,
    kind: &str,
    members: &[Member],
    method: Method,
    seal: Option<&str>,
) -> [(&'static str, String); 2] {
    if seal == Some(AGE) {
        return readme_of_age(name, kind, method);
    }
    let sealed = seal.is_some();
    let password = if sealed { "-p " } else { "" };
    let all = |client: &str| format!("    7z x {password}-so -r {name} '*.sql' | {client}\n");
    let commands = match kind {
        "mysql" => all("mysql --comments"),
        "postgres" => postgres(name, members, password),
        "sqlite" => {
            format!(
                "    7z x {password}-so -r {name} '*.sqlite' > new.sqlite    # the exact file\n{}",
                all("sqlite3 other.sqlite    # or its SQL")
            )
        }
        "postgres-physical" => format!(
            "    7z x {password}-so {name} 'cluster/base.tar.*' | tar x -C /var/lib/postgresql/NEW\n"
        ),
        _ => format!("    7z x {password}{name}\n"),
    };
    let unzip = match (method, sealed, kind) {
        (Method::Deflate(_) | Method::Store, false, "mysql") => {
            format!("    unzip -p {name} '*.sql' | mysql --comments\n")
        }
        _ => String::new(),
    };
    let each = commands.contains("DATABASE");
    let english = format!(
        "This archive is a backup made by vex.\n\nTo restore it with vex:\n\n    vex restore --from {name} --into TARGET\n\n\
         To restore it without vex (7-Zip 22 or newer, in the order of the archive):\n\n{}{commands}{unzip}\n{}\
         The rows of one table are the files DATABASE/TABLE.NNNNN.sql; DATABASE/TABLE.table.sql makes the table.\n\
         Users and grants, if any, are in accounts/ and are not among '*.sql'.\n\
         What the archive holds is listed in manifest.json, members.ndjson and index.NNNNN.ndjson.\n",
        if each {
            "For each folder DATABASE of the archive, once the database is made:\n\n"
        } else {
            ""
        },
        if sealed { "It is sealed (WinZip AES-256): 7z asks for the password.\n" } else { "" },
    );
    let portuguese = format!(
        "Este arquivo é um backup feito pelo vex.\n\nPara restaurá-lo com o vex:\n\n    vex restore --from {name} --into DESTINO\n\n\
         Para restaurá-lo sem o vex (7-Zip 22 ou mais novo, na ordem do arquivo):\n\n{}{commands}{unzip}\n{}\
         As linhas de uma tabela são os arquivos BANCO/TABELA.NNNNN.sql; BANCO/TABELA.table.sql cria a tabela.\n\
         Usuários e permissões, se houver, estão em accounts/ e não entre os '*.sql'.\n\
         O conteúdo está listado em manifest.json, members.ndjson e index.NNNNN.ndjson.\n",
        if each { "Para cada pasta DATABASE do arquivo, depois de criar o banco:\n\n" } else { "" },
        if sealed {
            "Ele é protegido por senha (WinZip AES-256): o 7z pede a senha.\n"
        } else {
            ""
        },
    );
    [(NAMES[0], english), (NAMES[1], portuguese)]
}

/// The texts of an archive that is sealed for recipients of age.
fn readme_of_age(name: &str, kind: &str, method: Method) -> [(&'static str, String); 2] {
    let (ending, unpress) = match method {
        Method::Zstd(_) => (".zst.age", " | zstd -dc"),
        Method::Deflate(_) | Method::Store => (".age", ""),
    };
    // One after the other, in the order of the archive: each is an age file of its own.
    let each = |pattern: &str, client: &str| {
        format!(
            "    7z l -ba -slt {name} | sed -n 's/^Path = \\({pattern}\\{ending}\\)$/\\1/p' |\n    \
             while read -r f; do 7z x -so {name} \"$f\" | age -d -i KEY.txt{unpress}; done | {client}\n"
        )
    };
    let sql = ".*\\.sql";
    let commands = match kind {
        "mysql" => each(sql, "mysql --comments"),
        "postgres" => each("DATABASE/.*\\.sql", "psql -d DATABASE"),
        "sqlite" => format!(
            "{}{}",
            each(".*\\.sqlite", "cat > new.sqlite    # the exact file"),
            each(sql, "sqlite3 other.sqlite    # or its SQL")
        ),
        "postgres-physical" => each("cluster/base\\.tar\\..*", "tar x -C /var/lib/postgresql/NEW"),
        _ => each(".*", "cat > ALL"),
    };
    let english = format!(
        "This archive is a backup made by vex, sealed for recipients of age (age-encryption.org).\n\nTo restore it with vex:\n\n    \
         vex restore --from {name} --identity KEY.txt --into TARGET\n\n\
         To restore it without vex (7-Zip, age{}), in the order of the archive; KEY.txt is an identity, a line AGE-SECRET-KEY-1…:\n\n\
         {commands}\nEvery entry is an age file of its own; its names, sizes and order are open to everybody.\n",
        if unpress.is_empty() { "" } else { ", zstd" }
    );
    let portuguese = format!(
        "Este arquivo é um backup feito pelo vex, protegido com age (age-encryption.org).\n\nPara restaurá-lo com o vex:\n\n    \
         vex restore --from {name} --identity KEY.txt --into DESTINO\n\n\
         Para restaurá-lo sem o vex (7-Zip, age{}), na ordem do arquivo; KEY.txt é uma identidade, uma linha AGE-SECRET-KEY-1…:\n\n\
         {commands}\nCada entrada é um arquivo age; nomes, tamanhos e ordem ficam à vista de todos.\n",
        if unpress.is_empty() { "" } else { ", zstd" }
    );
    [(NAMES[0], english), (NAMES[1], portuguese)]
}

/// The commands for databases of PostgreSQL: SQL, or an archive of `pg_dump`, which `pg_restore`
/// reads.
fn postgres(name: &str, members: &[Member], password: &str) -> String {
    let units: BTreeSet<&str> =
        members.iter().map(|m| m.unit.as_str()).filter(|unit| !unit.is_empty()).collect();
    let has = |end: &str| members.iter().any(|m| m.kind == Kind::File && m.name.ends_with(end));
    if has(".dump") {
        return format!(
            "    7z x {password}-so {name} 'DATABASE/*.dump.*' > new.dump\n    pg_restore -d DATABASE new.dump\n"
        );
    }
    if has("toc.dat") {
        return format!(
            "    7z x {password}{name} 'DATABASE/*'\n    \
             for f in DATABASE/*.[0-9]*; do cat \"$f\" >> \"${{f%.*}}\"; done\n    \
             pg_restore -d DATABASE DATABASE\n"
        );
    }
    match units.len() > 1 {
        true => format!("    7z x {password}-so {name} 'DATABASE/*.sql' | psql -d DATABASE\n"),
        false => format!("    7z x {password}-so -r {name} '*.sql' | psql -d NEW\n"),
    }
}
