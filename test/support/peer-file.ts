import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * What runs as a process of its own: built, as `npm test` and `npm run chaos` do it, or the source.
 *
 * @param base - `import.meta.url` of the caller
 */
export function peerFile(file: string, base: string): URL {
  const built = process.env.TEST_PEERS
  return built === undefined ? new URL(file, base) : pathToFileURL(join(built, `${basename(file, '.ts')}.js`))
}
