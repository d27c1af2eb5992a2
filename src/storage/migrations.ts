/**
 * Schema of ledger.db, one entry per version (`PRAGMA user_version`). A released entry is never edited: append the next.
 *
 * Amounts are decimal text (up to 2¹²⁸); offsets are integers, u64 as two's complement where a stranger names them.
 * Statements are not tied to a session row: an OFFER may be kept before its session exists.
 */
export const LEDGER_MIGRATIONS: readonly string[] = [
  `
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id TEXT NOT NULL,
  role TEXT NOT NULL,
  listing_id TEXT NOT NULL,
  listing_cid TEXT NOT NULL,
  peer TEXT NOT NULL,
  state TEXT NOT NULL,
  rail TEXT NOT NULL,
  channel_id TEXT,
  start INTEGER NOT NULL,
  position INTEGER NOT NULL,
  root BLOB NOT NULL,
  due TEXT NOT NULL,
  paid TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE statements (
  seq INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL,
  role TEXT NOT NULL,
  kind TEXT NOT NULL,
  cid TEXT NOT NULL,
  issuer TEXT NOT NULL,
  payload BLOB NOT NULL,
  signature BLOB NOT NULL,
  UNIQUE (session_id, role, kind, cid)
) STRICT;

CREATE TABLE parts (
  session_id TEXT NOT NULL,
  role TEXT NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (session_id, role, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE payer_channels (
  channel_id TEXT PRIMARY KEY,
  config TEXT NOT NULL,
  seller TEXT NOT NULL,
  chain_id INTEGER NOT NULL,
  escrow TEXT NOT NULL,
  deposited TEXT NOT NULL,
  signed TEXT NOT NULL,
  signature TEXT,
  base TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE payee_channels (
  channel_id TEXT PRIMARY KEY,
  config TEXT NOT NULL,
  chain_id INTEGER NOT NULL,
  escrow TEXT NOT NULL,
  voucher TEXT,
  signature TEXT,
  base TEXT NOT NULL,
  claimed TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE channel_sessions (
  role TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  paid TEXT NOT NULL,
  open INTEGER NOT NULL,
  PRIMARY KEY (role, channel_id, session_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER payer_signed_never_decreases BEFORE UPDATE OF signed ON payer_channels
WHEN length(new.signed) < length(old.signed) OR (length(new.signed) = length(old.signed) AND new.signed < old.signed)
BEGIN
  SELECT RAISE(ABORT, 'channel ' || old.channel_id || ' has signed ' || old.signed || ', never less: ' || new.signed);
END;

CREATE TRIGGER payee_voucher_never_decreases BEFORE UPDATE OF voucher ON payee_channels
WHEN old.voucher IS NOT NULL AND (new.voucher IS NULL OR length(new.voucher) < length(old.voucher)
  OR (length(new.voucher) = length(old.voucher) AND new.voucher < old.voucher))
BEGIN
  SELECT RAISE(ABORT, 'channel ' || old.channel_id || ' holds a voucher of ' || old.voucher || ', never less: '
    || coalesce(new.voucher, 'none'));
END;

CREATE TABLE spending (
  seller TEXT NOT NULL,
  session TEXT NOT NULL,
  minute INTEGER NOT NULL,
  amount TEXT NOT NULL,
  PRIMARY KEY (seller, session, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX spending_by_time ON spending (minute);
CREATE INDEX spending_by_session ON spending (session);

CREATE TABLE logs (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  epoch INTEGER NOT NULL,
  tail INTEGER NOT NULL DEFAULT 0,
  head INTEGER NOT NULL DEFAULT 0,
  finished INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE blocks (
  log INTEGER NOT NULL REFERENCES logs (id),
  first INTEGER NOT NULL CHECK (first >= 0),
  count INTEGER NOT NULL CHECK (count > 0),
  appended_at INTEGER NOT NULL,
  digest BLOB NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (log, first)
) STRICT;
CREATE INDEX blocks_by_time ON blocks (log, appended_at, first);

CREATE TRIGGER block_continues_log BEFORE INSERT ON blocks
BEGIN
  SELECT RAISE(ABORT, 'log ' || name || ' is finished') FROM logs WHERE id = new.log AND finished = 1;
  SELECT RAISE(ABORT, 'log ' || name || ' ends at offset ' || head || ', the block starts at ' || new.first)
    FROM logs WHERE id = new.log AND head <> new.first;
END;

CREATE TRIGGER block_moves_head AFTER INSERT ON blocks
BEGIN
  UPDATE logs SET head = new.first + new.count WHERE id = new.log;
END;
`,
  `
-- Where a resume begins: the last block end that was handled, the root and the account there, and the sink's own mark.
ALTER TABLE sessions ADD COLUMN checkpoint INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN records INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN sink TEXT;
ALTER TABLE sessions ADD COLUMN credit TEXT NOT NULL DEFAULT '0';

-- A session that was cut stays open until it is resumed or given up.
ALTER TABLE channel_sessions ADD COLUMN consumed TEXT NOT NULL DEFAULT '0';
ALTER TABLE channel_sessions ADD COLUMN signed TEXT NOT NULL DEFAULT '0';
UPDATE channel_sessions SET signed = paid WHERE role = 'payer';

-- Amounts of different assets are never added up.
ALTER TABLE spending ADD COLUMN asset TEXT NOT NULL DEFAULT '';

-- A refund that may be on its way to the chain, and the escrow's nonce that it uses up.
ALTER TABLE payee_channels ADD COLUMN refund TEXT;
ALTER TABLE payee_channels ADD COLUMN refund_nonce TEXT;

-- A record that breaks the listing's schema, with the whole part of its block: sha256 of the bytes is the part's digest.
CREATE TABLE violations (
  session_id TEXT NOT NULL,
  role TEXT NOT NULL,
  first INTEGER NOT NULL,
  record INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (session_id, role)
) STRICT, WITHOUT ROWID;

-- What is known of a peer or an account: what it settled, and how often its credit was halved.
CREATE TABLE trust (
  asset TEXT NOT NULL,
  role TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  settled TEXT NOT NULL,
  halvings INTEGER NOT NULL,
  halved_at TEXT NOT NULL,
  forgiveness TEXT NOT NULL,
  PRIMARY KEY (asset, role, kind, name)
) STRICT, WITHOUT ROWID;

-- Credit given to sessions (prepay, on the buyer's side). Exposure: the credit until the session has ended, then its debt.
CREATE TABLE grants (
  asset TEXT NOT NULL,
  role TEXT NOT NULL,
  session_id TEXT NOT NULL,
  peer TEXT NOT NULL,
  account TEXT,
  credit TEXT NOT NULL,
  settled TEXT NOT NULL,
  debt TEXT NOT NULL,
  exposure TEXT NOT NULL,
  stranger INTEGER NOT NULL,
  open INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (role, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_at_risk_by_peer ON grants (peer) WHERE exposure <> '0';
CREATE INDEX grants_at_risk_by_account ON grants (account) WHERE exposure <> '0';
CREATE INDEX grants_to_strangers ON grants (role, at) WHERE exposure <> '0' AND stranger = 1;

-- What a payer signed on rails that move money each time, as it left, and what came of it.
CREATE TABLE signed_transactions (
  network TEXT NOT NULL,
  digest TEXT NOT NULL,
  bytes BLOB NOT NULL,
  signature BLOB NOT NULL,
  coins TEXT NOT NULL,
  state TEXT NOT NULL,
  UNIQUE (network, digest)
) STRICT;
CREATE INDEX unsettled_transactions ON signed_transactions (network) WHERE state = 'signed';

-- What a transaction moved for a session: a payer's may pay several sellers, for a payee each counts once.
CREATE TABLE transfers (
  role TEXT NOT NULL,
  network TEXT NOT NULL,
  digest TEXT NOT NULL,
  session_id TEXT NOT NULL,
  amount TEXT NOT NULL,
  session_paid TEXT NOT NULL,
  demand BLOB NOT NULL,
  demand_signature BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_of_session ON transfers (role, session_id);
CREATE INDEX transfers_of_transaction ON transfers (network, digest);
CREATE UNIQUE INDEX payee_transfers_once ON transfers (network, digest) WHERE role = 'payee';

-- Digests of statements that are to be recorded on a ledger, and those that were: root and path of a batch, if it was one.
CREATE TABLE pending_records (
  digest BLOB NOT NULL UNIQUE,
  session_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  ended INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX pending_records_of_session ON pending_records (session_id);
CREATE INDEX pending_records_of_ended ON pending_records (at) WHERE ended = 1;

CREATE TABLE records (
  digest BLOB PRIMARY KEY,
  medium TEXT NOT NULL,
  network TEXT NOT NULL,
  ledger_transaction TEXT NOT NULL,
  account TEXT NOT NULL,
  at INTEGER NOT NULL,
  place INTEGER NOT NULL,
  count INTEGER NOT NULL,
  root BLOB,
  proof BLOB
) STRICT, WITHOUT ROWID;
`,
  `
-- Where the source of a log goes on after its last record; written with the block.
ALTER TABLE logs ADD COLUMN source TEXT;
ALTER TABLE logs ADD COLUMN position TEXT;
`,
  `
-- The row comes from a copy that was put back, and the seller has not been met since.
ALTER TABLE payer_channels ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
`,
  `
-- Ends of blocks, every few, with what a session had computed there: a resume begins at one of them, not at its start.
CREATE TABLE checkpoints (
  session_id TEXT NOT NULL,
  role TEXT NOT NULL,
  position INTEGER NOT NULL,
  root BLOB NOT NULL,
  records INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (session_id, role, position)
) STRICT, WITHOUT ROWID;
`,
  `
-- Window that the stream would have needed, atomic units, once it was held back by the one that it had.
ALTER TABLE sessions ADD COLUMN needed TEXT;
`,
  `
-- The newest deposit of a channel that was authorised: salt, amount, balance, validBefore.
ALTER TABLE payer_channels ADD COLUMN authorization TEXT;
`,
  `
-- What a transfer cost its payer besides: spent like the amount, however often the session is taken up.
ALTER TABLE transfers ADD COLUMN fee TEXT NOT NULL DEFAULT '0';
`,
  `
-- Buyer: most that it pays since it stopped the session.
ALTER TABLE sessions ADD COLUMN pays_at_most TEXT;
`
]
