//! The texts in a message's body: one, or one in each part of a `multipart/related` message.

use encoding_rs::mem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::charset::{self, Decoded};
use super::multipart::{self, Ending};

/// The boundary of recorded messages.
const BOUNDARY: &str = "----=_recorded";

/// A message taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'b> {
    /// The SOAP message; `None` if its bytes are not in its charset.
    pub root: Option<String>,
    /// What comes with it: its Content-ID, and its bytes.
    pub attachments: Vec<(Option<String>, &'b [u8])>,
}

/// Takes a message apart.
pub fn parts<'b>(body: &'b [u8], content_type: Option<&str>) -> Parts<'b> {
    let faithful = |decoded: Decoded| decoded.is_faithful.then_some(decoded.text);
    let Some((parts, root)) = split(body, content_type, Ending::Optional) else {
        return Parts { root: faithful(charset::decode(body, content_type)), attachments: Vec::new() };
    };
    let bytes = |part: &multipart::Part| body.get(part.body.clone()).unwrap_or_default();
    let mut attachments = Vec::new();
    let mut text = None;
    for (index, part) in parts.into_iter().enumerate() {
        if index == root {
            text = faithful(charset::decode(bytes(&part), part.content_type.as_deref()));
        } else {
            attachments.push((part.content_id.clone(), bytes(&part)));
        }
    }
    Parts { root: text, attachments }
}

/// The text of the SOAP message, if the body has several parts.
pub(super) fn root_of_parts(body: &[u8], content_type: Option<&str>) -> Option<Decoded> {
    let (parts, root) = split(body, content_type, Ending::Needed)?;
    let part = parts.get(root)?;
    Some(charset::decode(body.get(part.body.clone())?, part.content_type.as_deref()))
}

/// A body as one text; `None` if its bytes are not in its charset.
pub fn decoded(body: &[u8], content_type: Option<&str>) -> Option<String> {
    let decoded = charset::decode(body, content_type);
    decoded.is_faithful.then_some(decoded.text)
}

/// A text as a body, in the charset that its type or its XML declaration names.
pub fn encode(text: &str, content_type: Option<&str>) -> Vec<u8> {
    charset::encode_like(text, text.as_bytes(), content_type)
}

/// The body with every text in it rewritten, each in its own charset; what stays the same keeps its bytes.
pub fn rewrite(body: &[u8], content_type: Option<&str>, mut rewrite: impl FnMut(&str) -> String) -> Vec<u8> {
    let Some((parts, _)) = split(body, content_type, Ending::Optional) else {
        return one(body, content_type, &mut rewrite);
    };
    let mut out = Vec::with_capacity(body.len());
    let mut done = 0;
    for part in parts {
        // What is between the parts are their headers, which may name things too.
        out.extend(one(body.get(done..part.body.start).unwrap_or_default(), None, &mut rewrite));
        done = part.body.end;
        out.extend(one(body.get(part.body).unwrap_or_default(), part.content_type.as_deref(), &mut rewrite));
    }
    out.extend(one(body.get(done..).unwrap_or_default(), None, &mut rewrite));
    out
}

fn one(body: &[u8], content_type: Option<&str>, rewrite: &mut impl FnMut(&str) -> String) -> Vec<u8> {
    let decoded = charset::decode(body, content_type);
    // Bytes of any kind are one character each.
    let text = if decoded.is_faithful { decoded.text } else { mem::decode_latin1(body).into_owned() };
    let rewritten = rewrite(&text);
    if rewritten == text {
        return body.to_vec();
    }
    match decoded.is_faithful {
        true => charset::encode_like(&rewritten, body, content_type),
        false => mem::encode_latin1_lossy(&rewritten).into_owned(),
    }
}

fn split(body: &[u8], content_type: Option<&str>, ending: Ending) -> Option<(Vec<multipart::Part>, usize)> {
    let content_type = content_type.filter(|value| multipart::is_multipart(value))?;
    multipart::parts(content_type, body, ending)
}

/// A message of several parts with a boundary and ids that are always the same, and its Content-Type then. `None` if it
/// has not several parts, or if the boundary stands in one of them.
pub fn with_fixed_boundary(body: &[u8], content_type: &str) -> Option<(Vec<u8>, String)> {
    let (parts, _) = split(body, Some(content_type), Ending::Optional)?;
    if multipart::find(body, BOUNDARY.as_bytes()).is_some() {
        return None;
    }
    let old = charset::parameter(content_type, "boundary")?;
    let mut fixed_type = content_type.replace(&old, BOUNDARY);
    let bare = |id: &str| id.trim_start_matches('<').trim_end_matches('>').to_owned();
    let ids = parts.iter().enumerate().filter_map(|(index, part)| Some((index, bare(part.content_id.as_ref()?))));
    let ids: Vec<(String, String)> = ids.map(|(index, id)| (id, format!("{}@recorded", index + 1))).collect();
    ids.iter().for_each(|(id, fixed)| fixed_type = fixed_type.replace(id, fixed));
    let mut out = Vec::with_capacity(body.len());
    for part in parts {
        out.extend(format!("--{BOUNDARY}\r\n").into_bytes());
        for (range, mark) in [(part.head, ""), (part.body, "cid:")] {
            let mut piece = body.get(range)?.to_vec();
            for (id, fixed) in &ids {
                let spelled =
                    [id.clone(), utf8_percent_encode(id, NON_ALPHANUMERIC).to_string(), id.replace('@', "%40")];
                for id in spelled {
                    piece = replaced(&piece, format!("{mark}{id}").as_bytes(), format!("{mark}{fixed}").as_bytes());
                }
            }
            out.extend(piece);
        }
        out.extend(b"\r\n");
    }
    out.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    Some((out, fixed_type))
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = multipart::find(rest, old) {
        let (before, after) = rest.split_at(at);
        out.extend(before);
        out.extend(new);
        rest = after.get(old.len()..).unwrap_or_default();
    }
    out.extend(rest);
    out
}
