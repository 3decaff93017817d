export default { handler: 5 };
