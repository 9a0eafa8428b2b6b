import { LocalServerError } from '@exequatur/local-servers';
import { findOrStart } from './instance.js';
import { narrator } from './narrator.js';
import { readOptions } from './options.js';
import { prepare } from './setting.js';
import { tellStory } from './story.js';

const options = readOptions(process.argv);
const started = performance.now();
const progress = (line: string): void => {
  if (!options.json) console.error(line);
};

try {
  const instance = await findOrStart(options, progress);
  try {
    const setting = await prepare(instance);
    try {
      const telling = narrator({ json: options.json, colours: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined, write: (line) => console.log(line) });
      if (!options.json) console.log(`The customer-outreach story, against ${instance.description}`);
      await tellStory(telling, setting, instance);
      const results = telling.finish();
      const broken = results.filter((result) => !result.ok);
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      if (!options.json) console.log(`\n${results.length - broken.length} of ${results.length} steps did what they should, in ${seconds} s.`);
      process.exitCode = broken.length === 0 ? 0 : 1;
    } finally {
      await setting.stop();
    }
  } finally {
    await instance.stop();
  }
} catch (error) {
  console.error(error instanceof LocalServerError ? error.message : error);
  process.exitCode = 1;
}
process.exit();
