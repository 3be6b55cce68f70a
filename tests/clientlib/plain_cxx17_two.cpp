// The other half: without a daemon, every answer is the default and nothing fails.

#include <burgee/client.hpp>
#include <burgee/rule_interpreter.hpp>

bool asks_by_handle(const burgee::Client& client, const burgee::Context& user);
bool asks_by_rules(const burgee::Context& user);

int main() {
    burgee::Client client(burgee::ClientOptions{"/nonexistent/burgee"});
    const burgee::Context user{{"user_id", "u"}};
    const burgee::Evaluation answer = client.evaluate("f", user, true);
    const bool is_right = answer.enabled() && !asks_by_handle(client, user) &&
                          asks_by_rules(user) && answer.reason() == burgee::Reason::kNotReady &&
                          !client.track(answer, "impression", 1, user);
    return is_right ? 0 : 1;
}
