// Node's own https module: one agent, one connection that is kept.
import { readFileSync } from 'node:fs'
import https from 'node:https'

const [url, ...files] = process.argv.slice(2)
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })

function post(body) {
	return new Promise((resolve, reject) => {
		const request = https.request(url, {
			agent, method: 'POST', timeout: 20000,
			headers: {
				Authorization: `Bearer ${process.env.API_KEY}`,
				'Content-Type': 'application/json', 'Content-Length': body.length,
			},
		}, answer => {
			answer.on('data', piece => process.stdout.write(piece))
			answer.on('end', () => {
				process.stdout.write(`\nHTTP ${answer.statusCode}\n`)
				resolve()
			})
			answer.on('error', reject)
		})
		request.on('timeout', () => request.destroy(new Error('timeout')))
		request.on('error', reject)
		request.end(body)
	})
}

for (const file of files)
	await post(readFileSync(file))
agent.destroy()
