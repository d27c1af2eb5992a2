/** One source of each kind that the API of a node takes; `stdin` and `exec:` are for `ddm sell` alone. */
export const SUGGESTED_SOURCES = [
  'telemetry',
  'csv:/path/to/file.csv',
  'jsonl:/path/to/file.jsonl',
  'parquet:/path/to/file.parquet',
  'tail:/path/to/file.jsonl',
  'mqtt://host/topic/#',
  'mqtts://host/topic/#',
  'nats://host/stream',
  'postgres://user@host/database?table=readings&cursor=id',
  'https://host/latest.json',
  'sse:https://host/events',
  'wss://host/feed'
]
