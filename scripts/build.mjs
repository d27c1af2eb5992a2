// npm run build: compiles src and bootstrap, and builds the page, to dist.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { buildPage } from './page.mjs'
import { root } from './setup.mjs'

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const compiled = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
process.exit(compiled.status === 0 ? buildPage() : (compiled.status ?? 1))
