/** What an auditor reads first. */
export const archiveReadme = (tenant: string, size: number, createdAt: string, withContent: boolean): string => `# The log of ${tenant}

${size} leaves, taken at ${createdAt}.

| | |
| --- | --- |
| \`export.jsonl\` | the whole log: every event's bytes with the proof of its origin, the tree heads with their cosignatures, and a signed end. A leaf whose bytes are no longer kept has its hash |
| \`receipts/\` | a receipt of each action that was asked for, each event with its inclusion proof under the tree head of this log; verifies alone${withContent ? '. With arguments and the cards that approvers saw' : ''} |
| \`policies/\` | every policy that was published, as it was written (\`.yaml\`) and as it is hashed (\`.json\`) |
| \`schemas/\` | JSON Schema of each event's \`data\` |
| \`keys-as-stated.json\` | public keys as the operator states them: for a first look. Use those that you have from elsewhere |

## To verify it

In this folder, with the verifier, which you have from where you trust it, and not from here:

\`\`\`sh
node verifier/audit-verify.mjs export.jsonl --trusted-keys <your keys> --witness <the witness's key>
node verifier/audit-verify.mjs receipt receipts/<action>.json --trusted-keys <your keys>
python3 verifier/verify_export.py --trusted-keys <your keys> export.jsonl
\`\`\`

\`policies/*.json\`: SHA-256 of the file is the \`policy_hash\` in its events. What was sealed (arguments, cards, reasons) is encrypted in the events under a key of its action; when that was destroyed, everything here still verifies.
`;
