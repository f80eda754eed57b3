import { readFileSync } from 'node:fs'

/**
 * The code block of a Markdown file that follows the comment `<!-- snippet: <name> -->`. Throws when there is none, so that a renamed
 * snippet cannot leave a test without anything to test.
 */
export function readSnippet(file: URL | string, name: string): string {
  const pattern = new RegExp(`<!-- snippet: ${name} -->\\n+\`\`\`\\w+\\n([\\s\\S]*?)\\n\`\`\``)
  const found = pattern.exec(readFileSync(file, 'utf8'))?.[1]
  if (found === undefined) throw new Error(`${String(file)} has no code block marked "snippet: ${name}"`)
  return `${found}\n`
}
