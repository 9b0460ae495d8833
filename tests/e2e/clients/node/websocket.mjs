// Node's own WebSocket: URL MESSAGE... Prints what it gets, as ../websocket.py does.
const [url, ...messages] = process.argv.slice(2)
const line = new WebSocket(url, { headers: { Authorization: `Bearer ${process.env.API_KEY}` } })

line.onmessage = ({ data }) => {
	console.log(data)
	if (!data.includes('session.created') && !data.includes('response.done'))
		return
	if (messages.length)
		line.send(messages.shift())
	else
		line.close(1000)
}
line.onclose = ({ code }) => console.log('closed', code)
line.onerror = () => {
	console.log('refused')
	process.exitCode = 1
}
