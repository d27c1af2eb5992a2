import { createContext } from 'preact'

/** Whether the form was sent, and refused: before that nobody is told of what is still being written. */
export const Refused = createContext(false)
