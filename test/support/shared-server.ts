import { after, type TestContext } from 'node:test'

type Starting = Pick<TestContext, 'after' | 'skip'>

/** A server that all tests of a file share; it goes after the last one. A test is skipped where it is not installed. */
export function sharedServer<T>(
  start: (t: Starting) => Promise<T | undefined>
): (t: TestContext) => Promise<T | undefined> {
  const ends: Array<() => unknown> = []
  after(async () => {
    for (const end of ends.reverse()) await end()
  })
  let running: T | undefined
  return async (t) => {
    running ??= await start({
      after: (end) => void ends.push(end as () => unknown),
      skip: (text) => t.skip(text)
    })
    return running
  }
}
