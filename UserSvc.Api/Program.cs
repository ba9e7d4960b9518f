using Microsoft.AspNetCore.Server.Kestrel.Core;
using Scalar.AspNetCore;
using UserSvc.Api.Database;
using UserSvc.Api.Passwords;
using UserSvc.Api.Users;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api;

internal static class Program
{
    private static Task Main(string[] args) => Build(args).RunAsync();

    /// <summary>Builds the service without starting it. Tests run it in-process, on their own ports and clock.</summary>
    public static WebApplication Build(string[] args, TimeProvider? time = null)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Services.Configure<KestrelServerOptions>(builder.Configuration.GetSection("Kestrel"));
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        builder.AddLoopbackPort();
        builder.AddServiceDefaults("usersvc");
        builder.AddUsersDatabase();
        builder.AddPasswords();
        builder.AddUsers();
        builder.Services.AddOpenApi();

        var app = builder.Build();
        app.UseServiceDefaults();
        app.UseProblemJson();
        app.UseUtf8Only();
        app.MapHealthEndpoints();
        app.MapUsers();
        app.MapOpenApi();
        if (app.Environment.IsDevelopment())
        {
            app.MapScalarApiReference();
        }

        return app;
    }
}
