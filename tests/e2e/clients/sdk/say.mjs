// What the clients here have in common: what an SDK gave the program, as one line of JSON for each call.
//
//	asked: the model that the program named
//	model, text, input, output, cached: as the SDK has them, nothing where it has nothing
//	tools: [[id, name, arguments as a value], ...]

export const question = 'Count to seven.'
export const weather = 'What is the weather, and the time?'
export const parameters = { type: 'object', properties: { city: { type: 'string' } } }

// steps: {name: async () => ({model, text, ...})}; names: which of them are done. `asked` is what they ask for
// if they do not say so.
export async function run(asked, steps, names) {
	for (const name of names) {
		let said
		try {
			said = await steps[name]()
		} catch (error) {
			said = {
				error: error.constructor.name,
				status: error.status ?? error.statusCode ?? error.$metadata?.httpStatusCode,
				message: error.message,
			}
		}
		console.log(JSON.stringify({ call: name, asked, ...said }))
	}
}
