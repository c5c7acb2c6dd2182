"""Deployment to Azure: the template, its checks, and the commands that deploy, verify and remove the app."""
