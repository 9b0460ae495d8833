// An HTTPS server and two requests to it, on one connection that is kept: server.mjs CERTIFICATES
import { readFileSync } from 'node:fs'
import https from 'node:https'

const from = process.argv[2]
const server = https.createServer({
	cert: readFileSync(`${from}/cert.pem`), key: readFileSync(`${from}/key.pem`),
}, (request, response) => response.end('ok'))

server.listen(0, '127.0.0.1', async () => {
	const agent = new https.Agent({ keepAlive: true, ca: readFileSync(`${from}/ca.pem`) })
	const get = () => new Promise((resolve, reject) => {
		const request = https.get({ agent, host: '127.0.0.1', port: server.address().port,
			servername: 'plain.example.test' }, answer => {
			let text = ''
			const version = answer.socket.getProtocol()
			answer.on('data', piece => { text += piece })
			answer.on('end', () => resolve(
				`${answer.statusCode} ${text}, reused ${request.reusedSocket}, ${version}`))
		})
		request.on('error', reject)
	})
	await get()
	console.log('client got', await get())
	agent.destroy()
	server.close()
})
