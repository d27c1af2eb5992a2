import type { ChainBlock, Hex, Logger } from '../interface/index.ts'
import { shortText } from './errors.ts'
import type { Rpc } from './rpc.ts'

/** While a websocket announces heads, polling only catches what it missed. */
const SUBSCRIBED_POLL_FACTOR = 8
/** A node that is away is asked ever less often, up to this many ms. */
const MAX_BACKOFF_MS = 10_000

interface RawBlock {
  number: Hex
  hash: Hex
  parentHash: Hex
  timestamp: Hex
}

export function toBlock(raw: RawBlock): ChainBlock {
  return {
    number: BigInt(raw.number),
    hash: raw.hash,
    parentHash: raw.parentHash,
    timestamp: BigInt(raw.timestamp)
  }
}

export interface HeadWatcher {
  onHead: (listener: (head: ChainBlock) => void) => () => void
  close: () => Promise<void>
}

/**
 * Watches the head by its hash: after a reorg the number may stay. It polls, and a websocket only makes it look sooner,
 * so a lost subscription or a restarted node costs time and nothing else.
 */
export function createHeadWatcher(rpc: Rpc, interval: number, logger: Logger): HeadWatcher {
  const listeners = new Set<(head: ChainBlock) => void>()
  let stop: AbortController | undefined
  let running: Promise<void> = Promise.resolve()
  let last: ChainBlock | undefined

  async function run(signal: AbortSignal): Promise<void> {
    let wake = (): void => {}
    const look = (): void => wake()
    let unsubscribe: (() => void) | undefined
    const closed = (): void => {
      unsubscribe = undefined
      wake()
    }
    let failures = 0
    signal.addEventListener('abort', look, { once: true })
    while (!signal.aborted) {
      try {
        const head = toBlock(await rpc.request<RawBlock>('eth_getBlockByNumber', ['latest', false], { signal }))
        unsubscribe ??= await rpc.subscribeHeads(look, closed)
        if (failures > 0) logger.info('the chain answers again', { head: String(head.number) })
        failures = 0
        // A node that was replaced between two looks shows itself by a shorter chain.
        if (last !== undefined && head.number < last.number) rpc.recheck()
        if (head.hash !== last?.hash) {
          last = head
          for (const listener of [...listeners]) tell(listener, head)
        }
      } catch (error) {
        if (signal.aborted) break
        if (failures++ === 0) logger.warn('cannot see the head of the chain; trying on', { reason: shortText(error) })
      }
      const wait = failures > 0 ? Math.min(interval * 2 ** failures, MAX_BACKOFF_MS) : interval
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, unsubscribe === undefined ? wait : wait * SUBSCRIBED_POLL_FACTOR)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
        if (signal.aborted) wake()
      })
    }
    unsubscribe?.()
  }

  function tell(listener: (head: ChainBlock) => void, head: ChainBlock): void {
    try {
      listener(head)
    } catch (error) {
      logger.error('a listener for new heads failed', { reason: shortText(error) })
    }
  }

  return {
    onHead: (listener) => {
      // Own identity per call, so that one function may be given twice.
      const entry = (head: ChainBlock): void => listener(head)
      listeners.add(entry)
      if (stop === undefined) {
        stop = new AbortController()
        last = undefined
        const { signal } = stop
        running = running.then(() => run(signal))
      } else if (last !== undefined) {
        tell(entry, last)
      }
      return () => {
        listeners.delete(entry)
        if (listeners.size > 0) return
        stop?.abort()
        stop = undefined
      }
    },
    close: async () => {
      listeners.clear()
      stop?.abort()
      stop = undefined
      await running
    }
  }
}
