//! `README.txt` and `LEIA-ME.txt` of a container: the exact commands that bring this archive back
//! without vex.
//!
//! Pure. Not sealed names only: nothing of the content is told, so that the texts may be read by
//! whoever holds the file.

use crate::artifact::container::Method;

/// Name and text of both, English first.
pub fn readme(name: &str, kind: &str, method: Method, sealed: bool) -> [(&'static str, String); 2] {
    let password = if sealed { "-p " } else { "" };
    let all = |client: &str| format!("    7z x {password}-so -r {name} '*.sql' | {client}\n");
    let commands = match kind {
        "mysql" => all("mysql --comments"),
        "postgres" => all("psql -d NEW"),
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
    let english = format!(
        "This archive is a backup made by vex.\n\nTo restore it with vex:\n\n    vex restore --from {name} --into TARGET\n\n\
         To restore it without vex (7-Zip 22 or newer, in the order of the archive):\n\n{commands}{unzip}\n{}\
         The rows of one table are the files DATABASE/TABLE.NNNNN.sql; DATABASE/TABLE.table.sql makes the table.\n\
         Users and grants, if any, are in accounts/ and are not among '*.sql'.\n\
         What the archive holds is listed in manifest.json, members.ndjson and index.NNNNN.ndjson.\n",
        if sealed { "It is sealed (WinZip AES-256): 7z asks for the password.\n" } else { "" },
    );
    let portuguese = format!(
        "Este arquivo é um backup feito pelo vex.\n\nPara restaurá-lo com o vex:\n\n    vex restore --from {name} --into DESTINO\n\n\
         Para restaurá-lo sem o vex (7-Zip 22 ou mais novo, na ordem do arquivo):\n\n{commands}{unzip}\n{}\
         As linhas de uma tabela são os arquivos BANCO/TABELA.NNNNN.sql; BANCO/TABELA.table.sql cria a tabela.\n\
         Usuários e permissões, se houver, estão em accounts/ e não entre os '*.sql'.\n\
         O conteúdo está listado em manifest.json, members.ndjson e index.NNNNN.ndjson.\n",
        if sealed {
            "Ele é protegido por senha (WinZip AES-256): o 7z pede a senha.\n"
        } else {
            ""
        },
    );
    [("README.txt", english), ("LEIA-ME.txt", portuguese)]
}
