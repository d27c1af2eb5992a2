/** Requests of the program that started this one over an IPC channel (`ddm demo`); none when a person did. */
export function onRequest(name: string, answer: () => Promise<void>): () => void {
  if (process.channel === undefined) return () => {}
  const onMessage = (message: unknown): void => {
    if ((message as { request?: unknown } | null)?.request !== name) return
    answer().catch((error: unknown) => process.emit('uncaughtException', error as Error))
  }
  process.on('message', onMessage)
  return () => process.off('message', onMessage)
}
