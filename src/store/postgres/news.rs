//! Sends and receives news between nodes by LISTEN and NOTIFY: that requests are due, and whose attempts have ended.
//!
//! Rule: news is a hint, and nothing depends on it: a node that misses news finds the changes by its regular polls. News
//! is sent after the commit that it tells of, outside the transaction, and many news together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_postgres::{AsyncMessage, Client};

use super::connection::{Access, CONNECT_TIME};
use super::database::Database;
use super::fault::Fault;
use crate::request::random_hex;
use crate::store::{News, StoreError};

/// The channel; versions that run at the same time share its name.
const CHANNEL: &str = "conax_gateway";
/// The pause between two tries to listen.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a listener makes sure that the server still answers.
const CHECK_INTERVAL: Duration = Duration::from_secs(15);
/// The largest number of news that wait to be read or sent; further news is dropped.
const QUEUE: usize = 1024;
/// The largest number of request numbers in one message: PostgreSQL takes 8,000 bytes.
const MOST_NUMBERS: usize = 300;
/// The word for "something is due" in a message.
const WORK: &str = "work";

/// Sends and receives news.
pub(super) struct Newsroom {
    /// The id of this sender, which ignores its own messages.
    sender: Arc<str>,
    to_send: mpsc::Sender<News>,
    received: Mutex<mpsc::Receiver<News>>,
    /// The tasks end with the store.
    _tasks: JoinSet<()>,
}

impl Newsroom {
    /// Starts to send, and also to listen if `listens`.
    pub(super) fn start(access: Access, database: &Arc<Database>, listens: bool) -> Self {
        let sender: Arc<str> = random_hex().into();
        let (to_send, sending) = mpsc::channel(QUEUE);
        let (hear, received) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        tasks.spawn(send_all(Arc::clone(database), Arc::clone(&sender), sending));
        if listens {
            tasks.spawn(listen(access, Arc::clone(&sender), hear));
        }
        Self { sender, to_send, received: Mutex::new(received), _tasks: tasks }
    }

    /// Queues news for the other nodes.
    pub(super) fn tell(&self, news: News) {
        drop(self.to_send.try_send(news));
    }

    /// Sends news to the other nodes before returning.
    pub(super) async fn tell_now(&self, database: &Database, news: Vec<News>) {
        send(database, &self.sender, news).await;
    }

    /// The next news from another node.
    pub(super) async fn next(&self) -> News {
        match self.received.lock().await.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}

/// Packs news into as few messages as possible.
fn messages(news: Vec<News>, sender: &str) -> Vec<String> {
    let (mut has_work, mut numbers) = (false, Vec::new());
    for news in news {
        match news {
            News::Work => has_work = true,
            News::Ended(ended) => numbers.extend(ended.iter().map(ToString::to_string)),
            News::Missed => {}
        }
    }
    let work = has_work.then(|| format!("{sender} {WORK}"));
    let ended = numbers.chunks(MOST_NUMBERS).map(|numbers| format!("{sender} {}", numbers.join(",")));
    work.into_iter().chain(ended).collect()
}

/// Reads a message from another node; `None` for a message of this node, or of a later version with unknown words.
fn parse(message: &str, own: &str) -> Option<News> {
    let (sender, news) = message.split_once(' ')?;
    match news {
        _ if sender == own => None,
        WORK => Some(News::Work),
        numbers => numbers.split(',').map(|number| number.parse().ok()).collect::<Option<_>>().map(News::Ended),
    }
}

async fn send_all(database: Arc<Database>, sender: Arc<str>, mut sending: mpsc::Receiver<News>) {
    while let Some(first) = sending.recv().await {
        let mut news = vec![first];
        while let Ok(next) = sending.try_recv() {
            news.push(next);
        }
        send(&database, &sender, news).await;
    }
}

async fn send(database: &Database, sender: &str, news: Vec<News>) {
    let sql = "-- send_news\nSELECT pg_notify($1, message) FROM unnest($2::text[]) AS sent (message)";
    if let Err(fault) = database.execute_lightly(sql, &[&CHANNEL, &messages(news, sender)]).await {
        tracing::debug!(?fault, "the other nodes were not told");
    }
}

async fn listen(access: Access, own: Arc<str>, hear: mpsc::Sender<News>) {
    while !hear.is_closed() {
        if let Err(error) = listen_once(&access, &own, &hear).await {
            tracing::warn!(%error, "not told of what other nodes do: looking now and then");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Listens until the connection is lost.
async fn listen_once(access: &Access, own: &Arc<str>, hear: &mpsc::Sender<News>) -> Result<(), StoreError> {
    let (client, mut connection) = access.connect().await?;
    let (own, heard) = (Arc::clone(own), hear.clone());
    let mut hearing = JoinSet::new();
    hearing.spawn(async move {
        let mut messages = futures_util::stream::poll_fn(|context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message
                && let Some(news) = parse(notification.payload(), &own)
            {
                drop(heard.try_send(news));
            }
        }
    });
    let listen = format!("LISTEN {CHANNEL}");
    ask(&client, &listen).await?;
    // Anything may have happened before LISTEN.
    drop(hear.try_send(News::Missed));
    // The connection lasts as long as its client, and is closed with its task.
    while tokio::time::timeout(CHECK_INTERVAL, hearing.join_next()).await.is_err() {
        ask(&client, "").await?;
    }
    Ok(())
}

/// Runs a statement that is answered at once.
async fn ask(client: &Client, sql: &str) -> Result<(), StoreError> {
    let late =
        || StoreError::Unavailable(format!("PostgreSQL: there was no answer within {} s", CONNECT_TIME.as_secs()));
    let answer = tokio::time::timeout(CONNECT_TIME, client.batch_execute(sql)).await;
    Ok(answer.map_err(|_| late())?.map_err(Fault::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_come_as_they_were_sent_and_not_to_the_sender() {
        let sent =
            messages(vec![News::Ended(vec![1, 2]), News::Work, News::Work, News::Ended((3..400).collect())], "a");
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|message| message.len() < 8000 && parse(message, "a").is_none()));
        let heard: Vec<_> = sent.iter().filter_map(|message| parse(message, "b")).collect();
        assert_eq!(heard[..2], [News::Work, News::Ended((1..=300).collect())]);
        assert_eq!(parse("a something new", "b"), None);
    }
}
