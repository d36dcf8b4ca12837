//! The registry of connections and of the rooms they have joined.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::aws::CallError;
use crate::aws::dynamodb::Table;

/// The room of a connection's own item: every open connection is in it.
pub(crate) const OWN_ROOM: &str = "*";
/// API Gateway closes a connection after two hours at the latest (API Gateway quotas).
const LONGEST_CONNECTION: Duration = Duration::from_hours(2);
/// Kept a little longer: clocks differ, and `$disconnect` may come late.
const SLACK: Duration = Duration::from_mins(10);
/// What a retained text's `connection` begins with. No connection's id does: API Gateway's are base64.
const RETAINED: &str = "retained#";
/// How long a room's last text is kept when no other follows.
const KEPT: Duration = Duration::from_hours(24);
/// How long a connection may stay between its entry and its opening. The entry is written within `$connect`, which API
/// Gateway waits for 29 seconds at most (API Gateway quotas: integration timeout).
const HANDSHAKE: Duration = Duration::from_secs(30);
const ROOM_CHARS: usize = 128;

/// The rooms of one connection, and who else is in them.
///
/// What this connection has joined is read as it is now; a room's members come from an index that is a moment behind.
/// An entry goes when its connection closes, when `push` finds it gone, or at the latest when it expires.
#[derive(Clone, Debug)]
pub struct Registry {
    store: Arc<Store>,
    connection: String,
}

/// A connection in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The connection's id.
    pub connection: String,
    /// The name it joined under, if it gave one.
    pub name: Option<String>,
}

/// Why the registry didn't do it.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistryError {
    /// A room's name has 1 to 128 characters, none of them a control character, and doesn't begin with `*`.
    InvalidRoom(String),
    /// The connection isn't open (any more): it can't join.
    Closed,
    /// The system has no registry: `[connections] registry = false`.
    Off,
    /// The table couldn't be reached or refused; the text says why.
    Unavailable(String),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRoom(room) => write!(
                f,
                "{:?} can't be a room's name: 1 to {ROOM_CHARS} characters, no control characters, no \"*\" at its beginning",
                room.chars().take(ROOM_CHARS).collect::<String>()
            ),
            Self::Closed => f.write_str("the connection is closed"),
            Self::Off => f.write_str(
                "the connection registry is off: set [connections] registry = true in wsless.toml",
            ),
            Self::Unavailable(why) => write!(f, "the connection registry: {why}"),
        }
    }
}

impl std::error::Error for RegistryError {}

impl From<CallError> for RegistryError {
    fn from(error: CallError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Registry {
    pub(crate) fn new(store: Arc<Store>, connection: &str) -> Self {
        Self {
            store,
            connection: connection.to_owned(),
        }
    }

    /// Joins a room; joining again does nothing. Fails with [`RegistryError::Closed`] if the connection is gone, so
    /// that a message that was queued before a disconnect doesn't leave a ghost in the room.
    pub async fn join(&self, room: &str) -> Result<(), RegistryError> {
        self.put(room, None).await
    }

    /// Joins a room under a name; joining again changes the name.
    pub async fn join_as(&self, room: &str, name: &str) -> Result<(), RegistryError> {
        self.put(room, Some(name.to_owned())).await
    }

    /// Leaves a room; leaving a room that wasn't joined does nothing.
    pub async fn leave(&self, room: &str) -> Result<(), RegistryError> {
        check(room)?;
        self.store.delete(&self.connection, room).await
    }

    /// This connection's own membership of a room.
    pub async fn membership(&self, room: &str) -> Result<Option<Member>, RegistryError> {
        check(room)?;
        let item = self.store.get(&self.connection, room).await?;
        Ok(item.filter(|item| item.is_live(now())).map(Member::from))
    }

    /// Who is in the room, sorted by connection.
    pub async fn members(&self, room: &str) -> Result<Vec<Member>, RegistryError> {
        check(room)?;
        Ok(self
            .store
            .members(room)
            .await?
            .into_iter()
            .map(Member::from)
            .collect())
    }

    /// The last text that was sent to the room as one to be kept ([`Reply::retained`](crate::Reply::retained)), read
    /// as it is now; `None` if there was none within a day.
    ///
    /// Who wants to give it to a connection that joins, joins first and reads then: what is sent in between comes as
    /// a member's. It may come by both ways, and the newer text before the older: a text should say how old it is.
    /// Since the index of members is a moment behind, what is sent within that moment, but after the reading, still
    /// reaches only those who were there before; the next text reaches all.
    pub async fn retained(&self, room: &str) -> Result<Option<String>, RegistryError> {
        check(room)?;
        let found = self.store.retained(room).await?;
        Ok(found
            .filter(|retained| retained.expires > now())
            .map(|retained| retained.text))
    }

    /// The rooms that this connection has joined, sorted.
    pub async fn rooms(&self) -> Result<Vec<String>, RegistryError> {
        let items = self.store.of_connection(&self.connection).await?;
        Ok(items
            .into_iter()
            .map(|item| item.room)
            .filter(|room| room != OWN_ROOM)
            .collect())
    }

    /// The connection's own item is read first. It tells that the connection is open, and when every item of it
    /// expires. A disconnect between the two calls leaves an item that expires, or that the first `push` to it deletes;
    /// a transaction would close that gap at twice the price of every join.
    async fn put(&self, room: &str, name: Option<String>) -> Result<(), RegistryError> {
        check(room)?;
        let own = self.store.get(&self.connection, OWN_ROOM).await?;
        let own = own
            .filter(|item| item.is_live(now()))
            .ok_or(RegistryError::Closed)?;
        let connection = self.connection.clone();
        self.store
            .put(Item {
                connection,
                room: room.to_owned(),
                expires: own.expires,
                name,
            })
            .await
    }
}

impl From<Item> for Member {
    fn from(item: Item) -> Self {
        Self {
            connection: item.connection,
            name: item.name,
        }
    }
}

fn check(room: &str) -> Result<(), RegistryError> {
    let chars = room.chars().take(ROOM_CHARS + 1).count();
    if chars == 0 || chars > ROOM_CHARS || is_reserved(room) || room.chars().any(char::is_control) {
        return Err(RegistryError::InvalidRoom(room.to_owned()));
    }
    Ok(())
}

/// Whether a room is the registry's own, which nobody joins.
pub(crate) fn is_reserved(room: &str) -> bool {
    room.starts_with(OWN_ROOM)
}

/// A room's last text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retained {
    pub text: String,
    /// When the queue got it, in epoch milliseconds: what was sent earlier doesn't take its place.
    pub sent: u64,
    /// Epoch seconds.
    pub expires: u64,
}

impl Retained {
    pub fn new(text: impl Into<String>, sent: Option<u64>) -> Self {
        let seconds = now();
        Self {
            text: text.into(),
            sent: sent.unwrap_or(seconds * 1000),
            expires: seconds + KEPT.as_secs(),
        }
    }

    /// Where the text of a room is kept: an item whose connection is nobody's, and in the index by room under a name
    /// that no room may have. It's the room's own name all the same, so that the index spreads as widely as rooms do.
    pub fn key(room: &str) -> (String, String) {
        (format!("{RETAINED}{room}"), format!("{OWN_ROOM}{room}"))
    }
}

/// One entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub connection: String,
    pub room: String,
    /// Epoch seconds.
    pub expires: u64,
    pub name: Option<String>,
}

impl Item {
    /// The own item of a connection that opens now.
    pub fn own(connection: &str) -> Self {
        Self::of_age(connection, Duration::ZERO)
    }

    fn of_age(connection: &str, age: Duration) -> Self {
        let expires = Self::lifetime() + now() - age.as_secs();
        Self {
            connection: connection.to_owned(),
            room: OWN_ROOM.to_owned(),
            expires,
            name: None,
        }
    }

    /// From a connection's entry to its expiry, in seconds.
    fn lifetime() -> u64 {
        (LONGEST_CONNECTION + SLACK).as_secs()
    }

    /// Whether the handshake of this item's connection may still be going on. A little in the future counts too, since
    /// clocks differ; further away it isn't one of our items, and must not be waited for.
    fn may_be_opening(&self, now: u64) -> bool {
        let connected = self.expires.saturating_sub(Self::lifetime());
        now.abs_diff(connected) < HANDSHAKE.as_secs()
    }

    /// DynamoDB deletes expired items some time later, up to two days (DynamoDB developer guide, TTL).
    fn is_live(&self, now: u64) -> bool {
        self.expires > now
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Where the registry is kept.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
pub(crate) enum Store {
    Off,
    DynamoDb(Table),
    /// For tests of handlers.
    Memory(Memory),
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    items: Mutex<BTreeMap<(String, String), Item>>,
    retained: Mutex<BTreeMap<String, Retained>>,
}

impl Store {
    pub fn in_memory() -> Self {
        Self::Memory(Memory::default())
    }

    /// Puts an item where nothing has to be awaited. Only a store in memory has such a place.
    pub fn insert(&self, item: Item) {
        if let Self::Memory(memory) = self {
            lock(&memory.items).insert((item.connection.clone(), item.room.clone()), item);
        }
    }

    /// The same for a room's last text.
    pub fn insert_retained(&self, room: &str, retained: Retained) {
        if let Self::Memory(memory) = self {
            let mut texts = lock(&memory.retained);
            if texts
                .get(room)
                .is_none_or(|known| known.sent <= retained.sent)
            {
                texts.insert(room.to_owned(), retained);
            }
        }
    }

    /// Keeps a room's last text, unless a later one is there.
    pub async fn retain(&self, room: &str, retained: Retained) -> Result<(), RegistryError> {
        match self {
            Self::Off => Err(RegistryError::Off),
            Self::DynamoDb(table) => Ok(table.put_retained(room, &retained).await?),
            Self::Memory(_) => {
                self.insert_retained(room, retained);
                Ok(())
            }
        }
    }

    async fn retained(&self, room: &str) -> Result<Option<Retained>, RegistryError> {
        match self {
            Self::Off => Err(RegistryError::Off),
            Self::DynamoDb(table) => Ok(table.retained(room).await?),
            Self::Memory(memory) => Ok(lock(&memory.retained).get(room).cloned()),
        }
    }

    pub async fn put(&self, item: Item) -> Result<(), RegistryError> {
        match self {
            Self::Off => Err(RegistryError::Off),
            Self::DynamoDb(table) => Ok(table.put(&item).await?),
            Self::Memory(_) => {
                self.insert(item);
                Ok(())
            }
        }
    }

    /// Deletes all items of a connection, and says how many there were. The own item goes first: without it nothing
    /// joins any more.
    pub async fn remove(&self, connection: &str) -> Result<usize, RegistryError> {
        // A reply may be sent to whatever a client calls a connection: that must not take a room's text away.
        if connection.starts_with(RETAINED) {
            return Ok(0);
        }
        match self {
            Self::Off => Ok(0),
            Self::DynamoDb(table) => {
                let mut items = table.of_connection(connection).await?;
                items.sort_by_key(|item| item.room != OWN_ROOM);
                table.delete_all(&items).await?;
                Ok(items.len())
            }
            Self::Memory(memory) => {
                let mut items = lock(&memory.items);
                let before = items.len();
                items.retain(|(id, _), _| id != connection);
                Ok(before - items.len())
            }
        }
    }

    /// The live items of a room, or of all connections (`*`), sorted by connection.
    pub async fn members(&self, room: &str) -> Result<Vec<Item>, RegistryError> {
        let mut items = match self {
            Self::Off => return Err(RegistryError::Off),
            Self::DynamoDb(table) => table.of_room(room).await?,
            Self::Memory(memory) => lock(&memory.items)
                .values()
                .filter(|item| item.room == room)
                .cloned()
                .collect(),
        };
        let now = now();
        items.retain(|item| item.is_live(now));
        items.sort_by(|a, b| a.connection.cmp(&b.connection));
        Ok(items)
    }

    /// Whether the connection has an entry, but may not be open yet: @connections can't tell it from one that is gone.
    pub async fn may_be_opening(&self, connection: &str) -> Result<bool, RegistryError> {
        if matches!(self, Self::Off) {
            return Ok(false);
        }
        let own = self.get(connection, OWN_ROOM).await?;
        Ok(own.is_some_and(|item| item.may_be_opening(now())))
    }

    async fn get(&self, connection: &str, room: &str) -> Result<Option<Item>, RegistryError> {
        match self {
            Self::Off => Err(RegistryError::Off),
            Self::DynamoDb(table) => Ok(table.get(connection, room).await?),
            Self::Memory(memory) => Ok(lock(&memory.items)
                .get(&(connection.to_owned(), room.to_owned()))
                .cloned()),
        }
    }

    async fn delete(&self, connection: &str, room: &str) -> Result<(), RegistryError> {
        match self {
            Self::Off => Err(RegistryError::Off),
            Self::DynamoDb(table) => Ok(table.delete(connection, room).await?),
            Self::Memory(memory) => {
                lock(&memory.items).remove(&(connection.to_owned(), room.to_owned()));
                Ok(())
            }
        }
    }

    async fn of_connection(&self, connection: &str) -> Result<Vec<Item>, RegistryError> {
        let mut items = match self {
            Self::Off => return Err(RegistryError::Off),
            Self::DynamoDb(table) => table.of_connection(connection).await?,
            Self::Memory(memory) => lock(&memory.items)
                .values()
                .filter(|item| item.connection == connection)
                .cloned()
                .collect(),
        };
        let now = now();
        items.retain(|item| item.is_live(now));
        items.sort_by(|a, b| a.room.cmp(&b.room));
        Ok(items)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(store: &Arc<Store>, connection: &str) -> Registry {
        store.put(Item::own(connection)).await.unwrap();
        Registry::new(Arc::clone(store), connection)
    }

    #[tokio::test]
    async fn rooms_are_joined_left_and_listed() {
        let store = Arc::new(Store::in_memory());
        let (ada, bob) = (open(&store, "ada").await, open(&store, "bob").await);
        ada.join_as("lobby", "Ada").await.unwrap();
        ada.join("den").await.unwrap();
        bob.join("lobby").await.unwrap();
        assert_eq!(ada.rooms().await.unwrap(), ["den", "lobby"]);
        let members = bob.members("lobby").await.unwrap();
        assert_eq!(
            members
                .iter()
                .map(|m| m.connection.as_str())
                .collect::<Vec<_>>(),
            ["ada", "bob"]
        );
        assert_eq!(members[0].name.as_deref(), Some("Ada"));
        ada.leave("lobby").await.unwrap();
        ada.leave("lobby").await.unwrap();
        assert_eq!(ada.membership("lobby").await.unwrap(), None);
        assert_eq!(bob.members("lobby").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_closed_connection_can_not_join() {
        let store = Arc::new(Store::in_memory());
        let ada = open(&store, "ada").await;
        ada.join("lobby").await.unwrap();
        assert_eq!(store.remove("ada").await.unwrap(), 2);
        assert!(matches!(
            ada.join("lobby").await,
            Err(RegistryError::Closed)
        ));
        assert_eq!(store.remove("ada").await.unwrap(), 0);
    }

    #[tokio::test]
    async fn an_expired_connection_is_nobody() {
        let store = Arc::new(Store::in_memory());
        store
            .put(Item::of_age("old", Duration::from_hours(3)))
            .await
            .unwrap();
        assert!(store.members(OWN_ROOM).await.unwrap().is_empty());
        assert!(matches!(
            Registry::new(store, "old").join("r").await,
            Err(RegistryError::Closed)
        ));
    }

    #[tokio::test]
    async fn a_connection_may_be_opening_for_half_a_minute_after_its_entry() {
        let store = Arc::new(Store::in_memory());
        for (connection, age) in [("new", 0), ("slow", 25), ("late", 31), ("old", 7000)] {
            let item = Item::of_age(connection, Duration::from_secs(age));
            store.put(item).await.unwrap();
        }
        // A table's item without an expiry is read like this.
        let mut endless = Item::own("endless");
        endless.expires = u64::MAX;
        store.put(endless).await.unwrap();
        for (connection, expected) in [
            ("new", true),
            ("slow", true),
            ("late", false),
            ("old", false),
            ("endless", false),
            ("absent", false),
        ] {
            let opening = store.may_be_opening(connection).await.unwrap();
            assert_eq!(opening, expected, "{connection}");
        }
        assert!(!Store::Off.may_be_opening("new").await.unwrap());
    }

    #[tokio::test]
    async fn a_rooms_item_expires_with_its_connection() {
        let store = Arc::new(Store::in_memory());
        open(&store, "ada").await.join("lobby").await.unwrap();
        let items = store.of_connection("ada").await.unwrap();
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].expires, items[1].expires);
        assert!(items[0].expires >= now() + 2 * 60 * 60);
    }

    #[tokio::test]
    async fn a_rooms_name_is_checked() {
        let store = Arc::new(Store::in_memory());
        let ada = open(&store, "ada").await;
        for room in ["", "*", "*lobby", "a\nb", &"x".repeat(129)] {
            assert!(
                matches!(ada.join(room).await, Err(RegistryError::InvalidRoom(_))),
                "{room:?}"
            );
        }
        ada.join(&"\u{e9}".repeat(128)).await.unwrap();
        ada.join("a*").await.unwrap();
    }

    #[tokio::test]
    async fn a_rooms_last_text_is_kept_for_a_day_and_is_nobody() {
        let store = Arc::new(Store::in_memory());
        let ada = open(&store, "ada").await;
        ada.join("lobby").await.unwrap();
        assert_eq!(ada.retained("lobby").await.unwrap(), None);
        for (text, sent) in [("first", 1), ("third", 3), ("second", 2), ("last", 3)] {
            let retained = Retained::new(text, Some(sent));
            store.retain("lobby", retained).await.unwrap();
        }
        let last = ada.retained("lobby").await.unwrap();
        assert_eq!(last.as_deref(), Some("last"));
        assert_eq!(ada.members("lobby").await.unwrap().len(), 1);
        assert_eq!(store.members(OWN_ROOM).await.unwrap().len(), 1);
        let mut old = Retained::new("old", Some(4));
        old.expires = now();
        store.retain("lobby", old).await.unwrap();
        assert_eq!(ada.retained("lobby").await.unwrap(), None);
        assert!(ada.retained("*lobby").await.is_err());
    }

    #[tokio::test]
    async fn what_is_kept_of_a_room_is_in_no_room_and_of_no_connection() {
        let (connection, room) = Retained::key("ACME");
        assert_eq!(
            (connection.as_str(), room.as_str()),
            ("retained#ACME", "*ACME")
        );
        assert!(is_reserved(&room));
        assert!(check(&room).is_err());
        assert_eq!(Store::in_memory().remove(&connection).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_registry_that_is_off_says_how_to_turn_it_on() {
        let registry = Registry::new(Arc::new(Store::Off), "ada");
        let error = registry.members("lobby").await.unwrap_err().to_string();
        assert!(error.contains("registry = true"), "{error}");
    }
}
