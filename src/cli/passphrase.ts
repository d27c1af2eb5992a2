import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { DdmError } from '../interface/index.ts'
import type { NodeInit } from '../node/index.ts'

/**
 * Starts something that opens key files. When they need a passphrase and nobody named one, a person at a terminal is asked:
 * twice for keys that are still to be made.
 */
export async function withPassphrase<T>(
  init: NodeInit,
  start: (init: NodeInit) => Promise<T>,
  { signal }: { signal: AbortSignal }
): Promise<T> {
  try {
    return await start(init)
  } catch (error) {
    const named = init.passphrase ?? process.env.DDM_PASSPHRASE ?? process.env.DDM_PASSPHRASE_FILE
    const locked = error instanceof DdmError && error.code === 'keyLocked'
    if (!locked || named !== undefined || !process.stdin.isTTY || !process.stderr.isTTY) throw error
  }
  const fresh = !existsSync(join(init.home, 'identity.key'))
  const passphrase = await ask(fresh ? 'New passphrase for the keys of this home: ' : 'Passphrase: ', signal)
  if (fresh && (await ask('The same again: ', signal)) !== passphrase) {
    throw new DdmError('keyLocked', 'the two passphrases differ; nothing was created')
  }
  return start({ ...init, passphrase })
}

/** What is typed is not shown. */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  // The terminal is in raw mode meanwhile: Ctrl-C comes as a key.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  process.stderr.write(question)
  try {
    return await terminal.question('', { signal })
  } catch (cause) {
    throw new DdmError('aborted', 'no passphrase was given', { cause })
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
