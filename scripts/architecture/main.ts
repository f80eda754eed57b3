import { fileURLToPath } from 'node:url'
import { checkTree } from './check-tree.js'

const { files, violations } = checkTree(fileURLToPath(new URL('../..', import.meta.url)))
for (const { file, line, rule, severity, message } of violations) console.log(`${file}:${line} ${severity} [${rule}] ${message}`)
const errors = violations.filter(({ severity }) => severity === 'error').length
console.log(`architecture: ${files} files, ${errors} errors, ${violations.length - errors} warnings`)
process.exitCode = errors === 0 ? 0 : 1
