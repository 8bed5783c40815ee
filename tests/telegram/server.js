// Starts telegram-test-api, which emulates Telegram's bot API: node server.js PORT HOST, in a folder that has it installed.

const { createRequire } = require("node:module");
const TelegramServer = createRequire(`${process.cwd()}/`)("telegram-test-api");

new TelegramServer({ port: Number(process.argv[2]), host: process.argv[3] }).start().then(() => console.log("ready"));
