//! What Azure says in XML, and the one thing we say.
//!
//! Does not know the wire. Since version 2021-02-12 a name that XML cannot hold is percent-encoded
//! and says so.

use serde::Deserialize;

use crate::store::wire::xml::Document;

/// A page of List Blobs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlobPage {
    /// The blobs.
    pub blobs: Blobs,
    next_marker: String,
}

/// The blobs of a page.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Blobs {
    /// Each.
    pub blob: Vec<Blob>,
}

/// A blob of a page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Blob {
    /// Its name, as the page writes it.
    pub name: Name,
    /// What is known of it.
    pub properties: Properties,
}

/// A name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Name {
    #[serde(rename = "@Encoded")]
    encoded: Option<String>,
    #[serde(rename = "$text")]
    text: String,
}

/// What is known of a blob.
#[derive(Debug, Deserialize)]
pub struct Properties {
    /// Its size.
    #[serde(rename = "Content-Length")]
    pub bytes: u64,
    /// When it was written.
    #[serde(rename = "Last-Modified")]
    pub modified: Option<String>,
}

/// The answer to Get Block List.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockList {
    committed_blocks: Blocks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Blocks {
    block: Vec<Block>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Block {
    name: String,
}

impl Document for BlobPage {
    const ROOTS: &[&str] = &["EnumerationResults"];
}

impl Document for BlockList {
    const ROOTS: &[&str] = &["BlockList"];
}

impl BlobPage {
    /// How to ask for the next page, if there is one.
    pub fn next(&self) -> Option<String> {
        let marker = self.next_marker.trim();
        (!marker.is_empty()).then(|| marker.to_owned())
    }
}

impl BlockList {
    /// The names of the blocks that an object is made of, in order.
    pub fn names(self) -> Vec<String> {
        self.committed_blocks.block.into_iter().map(|block| block.name).collect()
    }
}

/// A name as it is.
pub fn shown_name(name: &Name) -> String {
    if name.encoded.as_deref() != Some("true") {
        return name.text.clone();
    }
    let pair = format!("={}", name.text.replace('+', "%2B").replace('&', "%26"));
    let found = url::form_urlencoded::parse(pair.as_bytes()).next();
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The body of Put Block List.
pub fn block_list(blocks: &[String]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for block in blocks {
        text.push_str(&format!("<Uncommitted>{block}</Uncommitted>"));
    }
    text + "</BlockList>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::wire::xml::parse;

    #[test]
    fn a_page_has_names_sizes_and_a_way_to_the_next() {
        let page: BlobPage = parse(
            br#"<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://h/" ContainerName="box">
            <Prefix>k</Prefix><Blobs><Blob><Name>k/a+b &amp; c</Name><Properties><Creation-Time>x</Creation-Time>
            <Last-Modified>Wed, 04 Mar 2026 05:06:07 GMT</Last-Modified><Content-Length>7</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>
            <Blob><Name Encoded="true">k/%EF%BF%BE+&amp;</Name><Properties><Content-Length>0</Content-Length></Properties></Blob></Blobs>
            <NextMarker>2!72!x--</NextMarker></EnumerationResults>"#,
        )
        .expect("a page");
        let names: Vec<_> = page.blobs.blob.iter().map(|blob| shown_name(&blob.name)).collect();
        assert_eq!(names, ["k/a+b & c", "k/\u{fffe}+&"]);
        assert_eq!(page.blobs.blob[0].properties.bytes, 7);
        assert_eq!(page.next().as_deref(), Some("2!72!x--"));
        let empty: BlobPage =
            parse(b"<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>")
                .expect("a page");
        assert!(empty.blobs.blob.is_empty() && empty.next().is_none());
        assert!(parse::<BlobPage>(b"<html/>").is_err());
    }

    #[test]
    fn a_list_of_blocks_is_read_and_written() {
        let list: BlockList = parse(
            b"<BlockList><CommittedBlocks><Block><Name>QQ==</Name><Size>1</Size></Block></CommittedBlocks></BlockList>",
        )
        .expect("a list");
        assert_eq!(list.names(), ["QQ=="]);
        let none: BlockList = parse(b"<BlockList><CommittedBlocks/></BlockList>").expect("a list");
        assert_eq!(none.names(), [""; 0]);
        let written = block_list(&["QQ==".into()]);
        assert!(written.ends_with("<BlockList><Uncommitted>QQ==</Uncommitted></BlockList>"));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_its_reader_panic(
            at in 0_usize..200, cut in 0_usize..200, put in "[<>&;/=\"a-z%!\\[\\]]{0,12}",
        ) {
            let seed = "<EnumerationResults><Blobs><Blob><Name Encoded=\"true\">a%2</Name><Properties><Content-Length>7</Content-Length></Properties></Blob></Blobs><NextMarker>x</NextMarker></EnumerationResults>";
            let at = at.min(seed.len());
            let end = (at + cut).min(seed.len());
            let bytes = [&seed.as_bytes()[..at], put.as_bytes(), &seed.as_bytes()[end..]].concat();
            drop(parse::<BlobPage>(&bytes));
            drop(parse::<BlockList>(&bytes));
        }
    }
}
