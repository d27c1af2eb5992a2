import { join } from 'node:path'
import { timeSpanOrNone, wholeNumber } from '../arguments.ts'
import { type Context, loadNode, type Register } from '../context.ts'
import { stopped } from '../stop.ts'

interface Options {
  port?: number
  finality?: number
}

export const iotaLedger: Register = (program, act) => {
  program
    .command('iota-ledger')
    .description('run a local IOTA ledger of coins, with a faucet: for development and the demo')
    .option('--port <number>', 'TCP port (default: a free one)', wholeNumber(0, 65_535))
    .option('--finality <span>', 'time until a payment is final, like 500ms (default: none)', timeSpanOrNone)
    .action(act(run))
}

async function run({ flags, output, signal }: Context, { port, finality }: Options): Promise<undefined> {
  const { createHome, createLogger, lockHome, resolveHome, startIotaLedger } = await loadNode()
  const paths = await createHome(resolveHome(flags.home))
  const lock = await lockHome(paths)
  try {
    const ledger = await startIotaLedger({
      file: join(paths.root, 'iota-ledger.jsonl'),
      logger: createLogger({ level: flags.logLevel === 'debug' ? 'debug' : 'warn' }),
      ...(port === undefined ? {} : { port }),
      ...(finality === undefined ? {} : { finalityMs: finality })
    })
    try {
      const { url: rpc, faucetUrl: faucet, chainIdentifier } = ledger
      output.result(
        { event: 'ready', rpc, faucet, chainIdentifier, network: `iota:${chainIdentifier}` },
        `IOTA network ${chainIdentifier} at ${rpc}; it goes on where it was when it is started again in this home.`,
        'In a network profile:',
        `  "iota": ${JSON.stringify({ chainIdentifier, rpcUrl: rpc, faucetUrl: faucet })}`
      )
      await stopped(signal)
    } finally {
      await ledger.close()
    }
  } finally {
    await lock.release()
  }
  return undefined
}
