import { ImError } from '@innerline/protocol'
import type * as z from 'zod'

/** Checks a request's shape. Throws `INVALID_REQUEST` that names the field and what it must be, never the value. */
export function validate<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path.map(String).join('.') ?? ''
  throw new ImError('INVALID_REQUEST', { detail: `${path === '' ? 'The request' : path} ${reason(issue)}` })
}

function reason(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'is invalid'
  return issue.message.startsWith('must') || issue.message.startsWith('needs') ? issue.message : `is invalid: ${issue.message}`
}
