import type { AbortOptions, Hex, Logger } from '../interface/index.ts'
import type { IotaRail } from '../payments/index.ts'

/** Nanos below which an account asks for more. */
const ENOUGH = 1_000_000_000n
const TIMEOUT_MS = 10_000

/** On a local or test network an account that has nothing asks the faucet; without an answer it stays as it is. */
export async function fundFromFaucet(
  rail: Pick<IotaRail, 'balance'>,
  account: Hex,
  url: string,
  logger: Logger,
  options: AbortOptions = {}
): Promise<void> {
  if ((await rail.balance(options)) >= ENOUGH) return
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout])
  try {
    const response = await fetch(new URL('gas', url.endsWith('/') ? url : `${url}/`), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ FixedAmountRequest: { recipient: account } }),
      signal
    })
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
  } catch (error) {
    options.signal?.throwIfAborted()
    logger.warn('the faucet gave nothing', { faucet: url, account, error: String(error) })
  }
}
