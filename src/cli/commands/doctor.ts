import { existsSync } from 'node:fs'
import { EXIT_CODES } from '../../interface/index.ts'
import type { NodeInit } from '../../node/index.ts'
import { type Context, loadNode, nodeInit, type Register, withNode } from '../context.ts'
import { withPassphrase } from '../passphrase.ts'

export const doctor: Register = (program, act) => {
  program
    .command('doctor')
    .description('look at everything that a node needs: disk, keys, network, chain, clock, balance, peers; with advice')
    .action(act(run))
}

const NEEDS = { logLevel: 'error' } as const

const MARK = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const

async function run(context: Context): Promise<number> {
  const { output, signal } = context
  const { diagnose } = await loadNode()
  const init = await openedKeys(context, await nodeInit(context, NEEDS))
  const { passphrase } = init
  const findings = diagnose(init, {
    signal,
    withNode: (use) => withNode(context, { ...NEEDS, ...(passphrase === undefined ? {} : { passphrase }) }, use)
  })
  let code: number = EXIT_CODES.ok
  for await (const { check, state, found, advice, code: failed } of findings) {
    if (state === 'fail' && code === EXIT_CODES.ok) code = EXIT_CODES[failed ?? 'internal']
    output.result(
      {
        check,
        state,
        found,
        ...(advice === undefined ? {} : { advice }),
        ...(failed === undefined ? {} : { code: failed })
      },
      `${MARK[state]}  ${check.padEnd(13)} ${found}`,
      ...(advice === undefined ? [] : [`      ${' '.repeat(13)} → ${advice}`])
    )
  }
  return code
}

/** Asks for the passphrase of encrypted keys, once; a node that runs has it. What is wrong with the keys is a finding, no reason to end. */
async function openedKeys(context: Context, init: NodeInit): Promise<NodeInit> {
  const { homePaths, isHomeLocked, loadKeys, passphraseFrom } = await loadNode()
  const open = async (complete: NodeInit): Promise<NodeInit> => {
    await loadKeys(homePaths(complete.home), { passphrase: complete.passphrase ?? passphraseFrom() })
    return complete
  }
  if (isHomeLocked(init.home) || !existsSync(homePaths(init.home).identity)) return init
  return withPassphrase(init, open, context).catch(() => init)
}
