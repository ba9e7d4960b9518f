using UserSvc.Edge.Discovery;
using UserSvc.Edge.Forwarding;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge;

internal static class Program
{
    private static Task Main(string[] args) => Build(args).RunAsync();

    /// <summary>The whole proxy, not started: tests run it in their own process, on ports of their own and by their own clock.</summary>
    public static WebApplication Build(string[] args, TimeProvider? time = null)
    {
        var builder = WebApplication.CreateBuilder(args);
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        builder.AddServiceDefaults(trustRemoteSampling: false);
        builder.AddListeners();
        builder.AddForwarding();

        var app = builder.Build();
        app.UseRequestId();
        app.UseProblemJson();
        app.UseRequestHygiene();
        app.UseHttpsPolicy();
        app.UseRouting();
        app.UseRequestTimeouts();

        var health = app.MapGroup("").ServedOn(Listener.Health);
        health.MapHealthEndpoints();
        health.MapReadiness("/ready");
        health.MapRegistration();

        app.MapForwarding().ServedOn(Listener.Public);
        return app;
    }
}
