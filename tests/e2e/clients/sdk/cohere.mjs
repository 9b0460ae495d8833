// The package cohere-ai: cohere.mjs PORT STEP...
import { CohereClientV2 } from 'cohere-ai'
import { parameters, question, run, weather } from './say.mjs'

const [port, ...names] = process.argv.slice(2)
const client = new CohereClientV2({ token: process.env.API_KEY, environment: `https://api.cohere.com:${port}` })
const model = 'command-a-03-2025'
const ask = content => ({ model, messages: [{ role: 'user', content }] })
const tools = ['weather', 'time'].map(name => ({ type: 'function', function: { name, parameters } }))

const message = ({ content, toolCalls }, usage) => ({
	text: (content ?? []).map(block => block.text ?? '').join(''),
	input: usage.tokens.inputTokens, output: usage.tokens.outputTokens,
	tools: toolCalls?.map(call => [call.id, call.function.name, JSON.parse(call.function.arguments)]),
})

// The program puts a stream together itself.
async function whole(stream) {
	const toolCalls = []
	let text = '', usage
	for await (const { type, index, delta } of stream) {
		if (type === 'content-delta')
			text += delta.message.content.text
		else if (type === 'tool-call-start')
			toolCalls[index] = structuredClone(delta.message.toolCalls)
		else if (type === 'tool-call-delta')
			toolCalls[index].function.arguments += delta.message.toolCalls.function.arguments
		else if (type === 'message-end')
			usage = delta.usage
	}
	return message({ content: [{ text }], toolCalls }, usage)
}

await run(model, {
	async plain() {
		const answer = await client.chat(ask(question))
		return message(answer.message, answer.usage)
	},
	stream: async () => whole(await client.chatStream(ask(question))),
	async tools() {
		const answer = await client.chat({ ...ask(weather), tools })
		return message(answer.message, answer.usage)
	},
	'tools stream': async () => whole(await client.chatStream({ ...ask(weather), tools })),
	async embeddings() {
		const asked = 'embed-v4.0'
		const { meta } = await client.embed({
			model: asked, texts: ['embed me'], inputType: 'search_query', embeddingTypes: ['float'] })
		return { asked, input: meta.billedUnits?.inputTokens }
	},
	refused: () => client.chat({ ...ask(question), model: 'command-r-08-2024' }),
	'refused stream': () => client.chatStream({ ...ask(question), model: 'command-r-08-2024' }),
}, names)
