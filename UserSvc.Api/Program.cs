using Microsoft.AspNetCore.Server.Kestrel.Core;
using Scalar.AspNetCore;
using UserSvc.Api.Database;
using UserSvc.Api.Passwords;
using UserSvc.Api.Users;
using UserSvc.ServiceDefaults;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Services.Configure<KestrelServerOptions>(builder.Configuration.GetSection("Kestrel"));

builder.AddServiceDefaults();
builder.AddUsersDatabase();
builder.AddPasswords();
builder.AddUsers();
builder.Services.AddOpenApi();
builder.Services.ConfigureHttpJsonOptions(json => UserJson.Configure(json.SerializerOptions));

var app = builder.Build();

app.UseProblemJson();
app.MapHealthEndpoints();
app.MapUsers();
app.MapOpenApi();
if (app.Environment.IsDevelopment())
{
    app.MapScalarApiReference();
}

await app.RunAsync();
