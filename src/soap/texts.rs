//! The texts in a message's body: one, or one in each part of a `multipart/related` message.

use encoding_rs::mem;

use super::charset::{self, Decoded};
use super::multipart;

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
    let Some((parts, root)) = split(body, content_type) else {
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
    let (parts, root) = split(body, content_type)?;
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
    let Some((parts, _)) = split(body, content_type) else { return one(body, content_type, &mut rewrite) };
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

fn split(body: &[u8], content_type: Option<&str>) -> Option<(Vec<multipart::Part>, usize)> {
    let content_type = content_type.filter(|value| multipart::is_multipart(value))?;
    multipart::parts(content_type, body)
}
