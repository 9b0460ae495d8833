// The package @google/genai: google.mjs PORT STEP...
import { GoogleGenAI } from '@google/genai'
import { parameters, question, run, weather } from './say.mjs'

const [port, ...names] = process.argv.slice(2)
const client = new GoogleGenAI({
	apiKey: process.env.API_KEY,
	httpOptions: { baseUrl: `https://generativelanguage.googleapis.com:${port}`, retryOptions: { attempts: 3 } },
})
const model = 'gemini-2.5-flash'
const ask = contents => ({ model, contents })
const config = {
	tools: [{ functionDeclarations: ['weather', 'time'].map(name => ({ name, parametersJsonSchema: parameters })) }],
}

// The program puts a stream together itself: the last usage counts.
async function whole(stream) {
	let text = '', model, usage
	const calls = []
	for await (const piece of stream) {
		const parts = piece.candidates?.[0]?.content?.parts ?? []
		text += parts.map(part => part.text ?? '').join('')
		calls.push(...piece.functionCalls ?? [])
		model = piece.modelVersion ?? model
		usage = piece.usageMetadata ?? usage
	}
	return {
		model, text, input: usage.promptTokenCount, output: usage.candidatesTokenCount,
		tools: calls.map(call => [call.id, call.name, call.args]),
	}
}

await run(model, {
	plain: async () => whole([await client.models.generateContent(ask(question))]),
	stream: async () => whole(await client.models.generateContentStream(ask(question))),
	tools: async () => whole([await client.models.generateContent({ ...ask(weather), config })]),
	'tools stream': async () => whole(await client.models.generateContentStream({ ...ask(weather), config })),
	async embeddings() {
		const asked = 'gemini-embedding-001'
		await client.models.embedContent({ model: asked, contents: 'embed me' })
		return { asked } // the SDK has nothing else to say of it
	},
	refused: () => client.models.generateContent({ ...ask(question), model: 'gemini-2.5-pro' }),
	'refused stream': () => client.models.generateContentStream({ ...ask(question), model: 'gemini-2.5-pro' }),
}, names)
