// The package @mistralai/mistralai: mistral.mjs PORT STEP...
import { Mistral } from '@mistralai/mistralai'
import { parameters, question, run, weather } from './say.mjs'

const [port, ...names] = process.argv.slice(2)
const client = new Mistral({ apiKey: process.env.API_KEY, serverURL: `https://api.mistral.ai:${port}` })
const model = 'mistral-small-latest'
const ask = content => ({ model, messages: [{ role: 'user', content }] })
const tools = ['weather', 'time'].map(name => ({ type: 'function', function: { name, parameters } }))

const message = (model, { content, toolCalls }, usage) => ({
	model, text: content, input: usage.promptTokens, output: usage.completionTokens,
	cached: usage.num_cached_tokens,
	tools: toolCalls?.map(call => [call.id, call.function.name, JSON.parse(call.function.arguments)]),
})

// The program puts a stream together itself.
async function whole(stream) {
	const toolCalls = []
	let content = '', model, usage
	for await (const { data } of stream) {
		const delta = data.choices[0]?.delta
		content += delta?.content ?? ''
		for (const call of delta?.toolCalls ?? []) {
			const known = toolCalls[call.index ?? 0]
			if (known)
				known.function.arguments += call.function.arguments
			else
				toolCalls[call.index ?? 0] = structuredClone(call)
		}
		model = data.model ?? model
		usage = data.usage ?? usage
	}
	return message(model, { content, toolCalls }, usage)
}

async function chat(request) {
	const answer = await client.chat.complete(request)
	return message(answer.model, answer.choices[0].message, answer.usage)
}

await run(model, {
	plain: () => chat(ask(question)),
	stream: async () => whole(await client.chat.stream(ask(question))),
	tools: () => chat({ ...ask(weather), tools }),
	'tools stream': async () => whole(await client.chat.stream({ ...ask(weather), tools })),
	async embeddings() {
		const asked = 'mistral-embed'
		const { model, usage } = await client.embeddings.create({ model: asked, inputs: ['embed me'] })
		return { asked, model, input: usage.promptTokens }
	},
	refused: () => client.chat.complete({ ...ask(question), model: 'mistral-large-latest' }),
	'refused stream': () => client.chat.stream({ ...ask(question), model: 'mistral-large-latest' }),
}, names)
