import { EXIT_CODES } from '../../interface/index.ts'
import { type Context, loadNode, nodeInit, type Register, withNode } from '../context.ts'

export const doctor: Register = (program, act) => {
  program
    .command('doctor')
    .description('look at everything that a node needs: disk, keys, network, chain, clock, balance, peers; with advice')
    .action(act(run))
}

const MARK = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const

async function run(context: Context): Promise<number> {
  const { output, signal } = context
  const { diagnose } = await loadNode()
  const needs = { logLevel: 'error' } as const
  const findings = diagnose(await nodeInit(context, needs), {
    signal,
    withNode: (use) => withNode(context, needs, use)
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
