/** Every wait takes one of these as its last argument. */
export interface AbortOptions {
  signal?: AbortSignal
}

/** Bytes that nobody can guess; a simulation gives its own. */
export type RandomBytes = (length: number) => Uint8Array

/** `0x…` bytes, as viem writes them. */
export type Hex = `0x${string}`

/** 20-byte EVM address, lower case on the wire. */
export type Address = Hex

/** CAIP-2 network: `eip155:31337`. */
export type NetworkId = string

/** CAIP-19 asset: `eip155:31337/erc20:0x…`. */
export type AssetId = string

/** A logger as pino and libp2p both offer it: printf-like, never called with a stranger's text at info or above. */
export interface Logger {
  debug: (message: string, fields?: Record<string, unknown>) => void
  info: (message: string, fields?: Record<string, unknown>) => void
  warn: (message: string, fields?: Record<string, unknown>) => void
  error: (message: string, fields?: Record<string, unknown>) => void
}
