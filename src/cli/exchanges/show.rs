//! An exchange with both raw texts, for a person or as JSON.

use serde_json::{Value, json};

use crate::api::Dates;
use crate::cli::output::{self, Piece, xml_pieces};
use crate::exchange::{Exchange, Message, Note};
use crate::soap::texts::text_of_partial;

/// Prints an exchange for a person.
pub(super) fn print(exchange: &Exchange, notes: &[Note], dates: Dates) {
    let Exchange { id, number, at, duration_ms, timings, path, request, answer, error, user, .. } = exchange;
    let timings = timings.map(|timings| format!(" ({})", timings.in_words())).unwrap_or_default();
    let mut pieces = vec![Piece::heading(format!("Exchange {id}, number {number}\n"))];
    pieces.push(Piece::plain(format!("{}, {duration_ms} ms{timings}\n", dates.print(*at))));
    pieces.extend(user.as_ref().map(|user| Piece::plain(format!("user: {user}\n"))));
    pieces.extend(error.as_ref().map(|error| Piece::plain(format!("error: {error}\n"))));
    let written = |note: &Note| format!("NOTED: {}, by {}: {}\n", dates.print(note.at), note.user, note.text);
    pieces.extend(notes.iter().map(|note| Piece::plain(written(note))));
    pieces.extend(message_pieces(&format!("POST {path}"), request));
    let answer = answer.iter();
    pieces.extend(answer.flat_map(|a| message_pieces(&format!("HTTP {} {}", a.status, a.reason), &a.message)));
    output::pieces(pieces);
}

fn message_pieces(first: &str, message: &Message) -> Vec<Piece> {
    let mut pieces = vec![Piece::heading(format!("\n{first}\n"))];
    pieces.extend(message.headers.iter().map(|(name, value)| Piece::plain(format!("{name}: {value}\n"))));
    pieces.push(Piece::plain("\n"));
    pieces.extend(xml_pieces(&text_of(message)));
    pieces.push(Piece::plain(if message.is_truncated { "\n(only the beginning)\n" } else { "\n" }));
    pieces
}

fn text_of(message: &Message) -> String {
    text_of_partial(&message.body, message.header("content-type"))
}

/// An exchange as JSON.
pub(super) fn to_json(exchange: &Exchange, notes: &[Note], dates: Dates) -> Value {
    let Exchange { id, number, at, duration_ms, timings, path, request, answer, error, user, .. } = exchange;
    let note = |note: &Note| json!({"date": dates.print(note.at), "user": note.user, "text": note.text});
    let notes: Vec<_> = notes.iter().map(note).collect();
    let message = |message: &Message| json!({"headers": message.headers, "body": text_of(message), "is_truncated": message.is_truncated});
    let answer = answer.as_ref();
    json!({
        "id": id.as_str(),
        "number": number,
        "date": dates.print(*at),
        "duration_ms": duration_ms,
        "timings": timings,
        "notes": notes,
        "path": path,
        "user": user,
        "error": error,
        "http_status": answer.map(|answer| answer.status),
        "request": message(request),
        "response": answer.map(|answer| message(&answer.message)),
    })
}
