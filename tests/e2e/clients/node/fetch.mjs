// fetch, as Node has it since 18.
import { readFileSync } from 'node:fs'

const [url, ...files] = process.argv.slice(2)

for (const file of files) {
	const answer = await fetch(url, {
		method: 'POST', body: readFileSync(file), signal: AbortSignal.timeout(20000),
		headers: {
			Authorization: `Bearer ${process.env.API_KEY}`,
			'Content-Type': 'application/json',
		},
	})
	for await (const piece of answer.body)
		process.stdout.write(piece)
	process.stdout.write(`\nHTTP ${answer.status}\n`)
}
