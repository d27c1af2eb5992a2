import { CommanderError } from 'commander'
import { DdmError, EXIT_CODES } from '../interface/index.ts'
import type { Act, Context, GlobalFlags } from './context.ts'
import { Output } from './output.ts'
import { createProgram } from './program.ts'
import { stopSignal } from './stop.ts'

/**
 * Runs one command line and resolves with its exit code (`EXIT_CODES`, docs/guides/cli.md).
 *
 * @param argv - arguments without `node` and the script
 */
export async function run(argv: string[]): Promise<number> {
  const signal = stopSignal()
  let output = new Output({ json: argv.includes('--json') }, process, signal)
  let debug = false
  let code: number = EXIT_CODES.ok
  // Whoever read our output may leave (`ddm search | head`), and a terminal that is closed takes both streams with it: that
  // is no fault, and no reason to leave a session unsettled.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const fail = (error: unknown): number => {
    output.error(error, { debug })
    return error instanceof DdmError ? error.exitCode : EXIT_CODES.internal
  }
  process.on('uncaughtException', (error) => process.exit(fail(error)))

  const program = createProgram((act: Act) => async (...args) => {
    const command = args.pop() as { optsWithGlobals: () => GlobalFlags }
    const flags = command.optsWithGlobals()
    output = new Output(flags, process, signal)
    debug = flags.logLevel === 'debug' || flags.logLevel === 'trace'
    const context: Context = { flags, output, signal }
    code = (await act(context, ...(args as never[]))) ?? EXIT_CODES.ok
  })
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    code = error instanceof CommanderError ? usage(error, output) : fail(error)
  }
  await output.flush()
  return code
}

/** Commander has told people already; programs get an object. Help and version are no errors. */
function usage(error: CommanderError, output: Output): number {
  if (error.exitCode === 0) return EXIT_CODES.ok
  if (output.json) output.error(new DdmError('usage', error.message.replace(/^error: /, ''), { cause: error }))
  return EXIT_CODES.usage
}
