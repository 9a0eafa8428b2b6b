import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KafkaPrerequisiteMissing, ServerDidNotStart } from './local-server-errors.js';

const kafkaVersion = '4.3.1';
const oldestJava = 17;

/** `.cache/kafka` at the root of the repository; the built file lies as deep as its source. */
export const defaultKafkaCache = fileURLToPath(new URL('../../../.cache/kafka', import.meta.url));

const jarsOf = (cacheDirectory: string): string => join(cacheDirectory, `kafka-${kafkaVersion}`);

const javaVersion = (): number | undefined => {
  const { stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  const match = /version "(\d+)/.exec(stderr ?? '');
  return match?.[1] === undefined ? undefined : Number(match[1]);
};

/**
 * What is missing to run Kafka here, as the end of a sentence ("Java 17 or newer"), or undefined when nothing is.
 * Maven is needed only until the jars are in the cache.
 */
export const kafkaPrerequisite = (cacheDirectory: string = defaultKafkaCache): string | undefined => {
  const java = javaVersion();
  if (java === undefined || java < oldestJava) return `Java ${oldestJava} or newer${java === undefined ? '' : ` (Java ${java} is here)`}`;
  if (!existsSync(jarsOf(cacheDirectory)) && spawnSync('mvn', ['-v'], { stdio: 'ignore' }).status !== 0) return 'Maven';
  return undefined;
};

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.exequatur</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
  <build><pluginManagement><plugins>
    <plugin><groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>3.8.1</version></plugin>
  </plugins></pluginManagement></build>
</project>
`;

const copyDependencies = (pomDirectory: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=jars'], { cwd: pomDirectory, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
    child.once('error', (error) => reject(new ServerDidNotStart('Maven', error.message)));
    child.once('close', (code) => (code === 0 ? resolve() : reject(new ServerDidNotStart('Maven (download of the Kafka jars)', output))));
  });

/**
 * Downloads Kafka's jars with Maven unless the cache has them (46 files, 44 MB, about 10 s), and returns their directory.
 * It appears there only when complete, whatever interrupts or races with the download.
 * @throws KafkaPrerequisiteMissing | ServerDidNotStart with Maven's last lines
 */
export const ensureKafkaJars = async (cacheDirectory: string = defaultKafkaCache, log: (line: string) => void = () => undefined): Promise<string> => {
  const jars = jarsOf(cacheDirectory);
  const missing = kafkaPrerequisite(cacheDirectory);
  if (missing !== undefined) throw new KafkaPrerequisiteMissing(missing);
  if (existsSync(jars)) return jars;
  mkdirSync(cacheDirectory, { recursive: true });
  const workplace = mkdtempSync(join(cacheDirectory, 'download-'));
  try {
    log(`downloading Kafka ${kafkaVersion} with Maven (44 MB) to ${jars}`);
    writeFileSync(join(workplace, 'pom.xml'), pom);
    await copyDependencies(workplace);
    try {
      renameSync(join(workplace, 'jars'), jars);
    } catch (error) {
      // Somebody else's download was ready a moment earlier.
      if (!existsSync(jars)) throw error;
    }
    log('Kafka is downloaded');
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
  return jars;
};
