// npm run check: all that npm run check:… says of the source without running it, as many at a time as there are cores.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root } from './setup.mjs'

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const parts = Object.keys(scripts).filter((name) => name.startsWith('check:'))

let failed = 0

/** Shows what it said once it has ended, so that no two talk at once. */
async function run(part) {
  const child = spawn(scripts[part], { cwd: root, shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text
    })
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code === 0) return
  failed++
  process.stderr.write(`${said}\nnpm run ${part}: exit code ${code}\n`)
}

await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) await run(part)
  })
)
process.exitCode = failed === 0 ? 0 : 1
